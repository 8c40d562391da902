package main

/*
#cgo CFLAGS: -I${SRCDIR}/artifact/include
#cgo LDFLAGS: ${SRCDIR}/artifact/libconv_delay_256.a
#include "conv_delay_256.h"
*/
import "C"

import "errors"

// Inputs is the number of counts of a step.
const Inputs = C.CONV_DELAY_256_INPUTS

// A Word is a stream of steps, and what its class is made of.
type Word struct {
	state C.conv_delay_256_state
	score C.conv_delay_256_score
}

// NewWord returns a fresh stream.
func NewWord() *Word {
	w := &Word{}
	C.conv_delay_256_reset(&w.state)
	return w
}

// Step takes Inputs counts and returns the class so far.
func (w *Word) Step(counts []byte) (int, error) {
	if len(counts) != Inputs {
		return -1, errors.New("a step has other inputs")
	}
	var x [Inputs]C.conv_delay_256_input_t
	var y [C.CONV_DELAY_256_OUTPUTS]C.float
	for j, count := range counts {
		x[j] = C.conv_delay_256_input_t(count)
	}
	C.conv_delay_256_step(&w.state, &x[0], &y[0])
	return int(C.conv_delay_256_decide(&w.score, &y[0])), nil
}

// Label returns the name of a class.
func Label(class int) string {
	return C.GoString(C.conv_delay_256_label(C.int32_t(class)))
}

// Sound says whether the tables and the recorded outputs are as they were built.
func Sound() bool {
	return C.conv_delay_256_self_test() == 0
}

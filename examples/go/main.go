// Classify names the words of raw files: 140 counts a step, one byte each.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func classify(counts []byte) (int, error) {
	word, class := NewWord(), -1
	for ; len(counts) >= Inputs; counts = counts[Inputs:] {
		var err error
		if class, err = word.Step(counts[:Inputs]); err != nil {
			return -1, err
		}
	}
	return class, nil
}

func main() {
	if !Sound() {
		log.Fatal("the tables are damaged")
	}
	for _, file := range os.Args[1:] {
		counts, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		class, err := classify(counts)
		if err != nil {
			log.Fatalf("%s: %v", file, err)
		}
		fmt.Printf("%s: %s\n", filepath.Base(file), Label(class))
	}
}

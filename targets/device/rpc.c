/* The same words through TVM's calling convention, for a library that an RPC server loads. */
#include "words.h"

#include <dlpack/dlpack.h>
#include <tvm/ffi/c_api.h>

#define EXPORT __attribute__((visibility("default")))

static const DLTensor *tensor(const TVMFFIAny *argument)
{
    if (argument->type_index == kTVMFFIDLTensorPtr) {
        return argument->v_ptr;
    }
    return (const DLTensor *)((const char *)argument->v_ptr + sizeof(TVMFFIObject));
}

static void *data(const TVMFFIAny *argument)
{
    const DLTensor *found = tensor(argument);
    return (char *)found->data + found->byte_offset;
}

static int give(TVMFFIAny *result, int64_t value)
{
    result->type_index = kTVMFFIInt;
    result->zero_padding = 0;
    result->v_int64 = value;
    return 0;
}

/* () -> 0 when the golden vectors come out as recorded */
EXPORT int __tvm_ffi_self_test(void *self, const TVMFFIAny *args, int32_t n, TVMFFIAny *result)
{
    (void)self, (void)args, (void)n;
    return give(result, ENTRY(NAME, self_test)());
}

/* (x [words][steps][INPUTS], y [words][steps][OUTPUTS], spikes [words][steps][NEURONS]) -> code */
EXPORT int __tvm_ffi_trace(void *self, const TVMFFIAny *args, int32_t n, TVMFFIAny *result)
{
    (void)self;
    if (n != 3) {
        return give(result, REFUSED);
    }
    const int64_t *shape = tensor(&args[0])->shape;
    const int32_t steps = (int32_t)shape[1];
    const COUNT *x = data(&args[0]);
    float *y = data(&args[1]);
    uint8_t *spikes = data(&args[2]);
    int code = 0;
    for (int64_t w = 0; w < shape[0] && code == 0; w++) {
        const ptrdiff_t at = (ptrdiff_t)w * steps;
        code = trace_word(x + at * INPUTS, steps, y + at * OUTPUTS, spikes + at * NEURONS);
        code = code != 0 ? code : same_word(x + at * INPUTS, steps, y + at * OUTPUTS);
    }
    return give(result, code);
}

/* (x, y [steps][OUTPUTS], ns [slices] float64, slice in ns, steps of a call or 0) -> 0; of no more slices
 * than words */
EXPORT int __tvm_ffi_times(void *self, const TVMFFIAny *args, int32_t n, TVMFFIAny *result)
{
    (void)self;
    if (n != 5) {
        return give(result, REFUSED);
    }
    const int64_t *shape = tensor(&args[0])->shape;
    const int32_t steps = (int32_t)shape[1];
    const COUNT *x = data(&args[0]);
    double *ns = data(&args[2]);
    const int32_t piece = (int32_t)args[4].v_int64;
    const int64_t slices = tensor(&args[2])->shape[0];
    for (int64_t w = 0; w < slices && w < shape[0]; w++) {
        ns[w] = time_words(x, shape[0], w, steps, piece, args[3].v_int64, data(&args[1]));
    }
    return give(result, 0);
}

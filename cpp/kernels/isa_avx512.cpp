// AVX-512 F, BW, CD, DQ and VL (x86-64-v4).
#if defined(__x86_64__)
#define GANGLION_ISA avx512
#include "kernels/table-inl.h"
#endif

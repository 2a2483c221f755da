// AVX-512 F, BW, CD, DQ and VL (x86-64-v4).
#if defined(__x86_64__)
#if !defined(__AVX512VL__)
#error "this file needs the compiler options that CMakeLists.txt gives it"
#endif
#define GANGLION_ISA avx512
#include "kernels/table-inl.h"
#endif

// AVX2 and FMA (x86-64-v3).
#if defined(__x86_64__)
#if !defined(__AVX2__)
#error "this file needs the compiler options that CMakeLists.txt gives it"
#endif
#define GANGLION_ISA avx2
#include "kernels/table-inl.h"
#endif

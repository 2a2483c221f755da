// AVX2 and FMA (x86-64-v3).
#if defined(__x86_64__)
#define GANGLION_ISA avx2
#include "kernels/table-inl.h"
#endif

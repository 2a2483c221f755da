// ARM's Advanced SIMD, which every 64-bit ARM processor has.
#if defined(__aarch64__)
#define GANGLION_ISA neon
#include "kernels/table-inl.h"
#endif

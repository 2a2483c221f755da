// SSE4.2 (x86-64-v2), and whatever other architectures make of vectors of 16 bytes. Without FMA: its
// results differ from the others' in the last bits.
#if !defined(__aarch64__)
#define GANGLION_ISA baseline
#include "kernels/table-inl.h"
#endif

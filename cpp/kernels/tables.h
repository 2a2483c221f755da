// What each translation unit of an instruction set gives to the dispatch. Only those the compiler's target
// has are defined.
#pragma once

#include "kernels/kernels.h"

#define GANGLION_DECLARE_TABLES(isa)         \
  namespace isa {                            \
  const KernelTable<float>& float_table();   \
  const KernelTable<double>& double_table(); \
  }

namespace ganglion {

GANGLION_DECLARE_TABLES(avx512)
GANGLION_DECLARE_TABLES(avx2)
GANGLION_DECLARE_TABLES(baseline)
GANGLION_DECLARE_TABLES(neon)

}  // namespace ganglion

#undef GANGLION_DECLARE_TABLES

// The search for numbers that are none.
#pragma once

#include <cstdint>

#include "training/batches.h"

namespace ganglion {

// The first row with a NaN or a value beyond plus or minus `largest`, -1 when there is none. Needs next to no memory.
int64_t first_not_finite(Source& source, double largest);

}  // namespace ganglion

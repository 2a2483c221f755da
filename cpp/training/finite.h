// The search for numbers that are none, or no index.
#pragma once

#include <cstdint>

#include "training/batches.h"

namespace ganglion {

// The first row with a NaN or a value beyond plus or minus `largest`, -1 when there is none. Needs next to no memory.
int64_t first_not_finite(Source& source, double largest);

// The first row with anything but whole numbers from 0 to less than `size`, which is at most 2^24, -1 when there is
// none.
int64_t first_not_index(Source& source, int64_t size);

}  // namespace ganglion

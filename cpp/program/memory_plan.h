// Gives every value its place: intermediates share one arena by the time they live, views stand on what they
// show, the parts of a pack are computed in place, and an expression overwrites an operand that dies in it.
#pragma once

#include <cstdint>
#include <vector>

#include "program/program.h"

namespace ganglion {

struct Place {
  Storage storage = Storage::arena;  // of an input: it stands in the arena, unless its memory is lent
  int64_t offset = 0;                // elements from the start of that storage
  int owner = -1;                    // the value whose memory it is
  // Lives in one stage, where each sample goes its own way: an engine needs memory for as many samples of it as it
  // takes through the stage at once. The offset is in elements of a sample, from the start of such memory.
  bool is_local = false;
  bool apart = false;  // its samples are as far apart as the owner's, which are longer
  int64_t within = 0;  // elements from the start of the owner
};

struct MemoryPlan {
  std::vector<Place> places;  // of each value
  int64_t arena = 0;          // elements
  int64_t local = 0;          // elements of a sample, of all that is local
  int64_t constants = 0;      // elements of all constants, one behind the other
};

// For batches of at most `rows`.
MemoryPlan plan_memory(const Program& program, int64_t rows);

}  // namespace ganglion

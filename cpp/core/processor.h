// What the processor and the operating system can do, asked of the processor itself: compilers' own
// functions for it are not there on every platform.
#pragma once

namespace ganglion {

// The levels of the x86-64 psABI, each with all the instructions a compiler may use at that level. All false on
// other processors.
struct ProcessorLevels {
  bool v2 = false, v3 = false, v4 = false;
};

ProcessorLevels processor_levels();

}  // namespace ganglion

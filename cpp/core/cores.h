// How many processors this process may keep busy.
#pragma once

#include <string>

namespace ganglion {

// The processors the scheduler gives this process, at most what its control groups (v1 and v2) allow. `root` is where
// the file system starts.
int available_cores(const std::string& root = "");

// GANGLION_NUM_THREADS when it is set, otherwise available_cores() and at most OMP_NUM_THREADS.
int default_threads();

}  // namespace ganglion

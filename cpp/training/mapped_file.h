// Reads a large memory-mapped array through its file.
//
// Every page that is read through a mapping stays in the process's resident set, up to 2 MB for a row of any size, so
// an epoch would count the whole file as memory in use. Reading the rows with system calls leaves the pages with the
// system's cache, and costs less than the page faults of handing them back and forth. Only a mapping that is shared
// with its file is read so, for only then is the array what the file holds. Linux only; elsewhere, and for other
// arrays, memory is read as it is.
#pragma once

#include <cstdint>

namespace ganglion {

class MappedFile {
 public:
  MappedFile() = default;
  // The file that holds the `bytes` at `data`. Stays closed when they are few, or not a shared mapping of a file that
  // can be opened.
  MappedFile(const void* data, int64_t bytes);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  bool is_open() const { return descriptor_ >= 0; }
  // out[0 ... bytes) = the array's bytes at `address`.
  void read(void* out, const char* address, int64_t bytes) const;

 private:
  int descriptor_ = -1;
  uint64_t origin_ = 0;  // the address at which the file's first byte would be mapped; may wrap around
};

}  // namespace ganglion

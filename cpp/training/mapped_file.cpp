#include "training/mapped_file.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#if defined(__linux__)
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace ganglion {

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(origin_, other.origin_);
  return *this;
}

#if defined(__linux__)

namespace {

// An array below this may as well be resident.
constexpr int64_t kLargeBytes = int64_t{128} << 20;

// A line of /proc/self/maps: "begin-end rights offset major:minor inode   path".
struct Mapping {
  uint64_t begin, end, offset, inode;
  char rights[5];
  char device[16];
  char path[4096];

  bool parse(const char* line) {
    path[0] = '\0';
    return std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %15s %" SCNu64 " %4095[^\n]", &begin, &end,
                       rights, &offset, device, &inode, path) >= 6;
  }
  bool same_file(const Mapping& other) const { return inode == other.inode && std::strcmp(device, other.device) == 0; }
};

bool find_mapping(uint64_t address, Mapping* mapping) {
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (!file) return false;
  bool found = false;
  char line[4096 + 128];
  while (!found && std::fgets(line, sizeof line, file)) {
    found = mapping->parse(line) && address >= mapping->begin && address < mapping->end;
  }
  std::fclose(file);
  return found;
}

// Whether an open file is the one mapped. Some file systems tell other numbers of a file than of its mapping,
// so a mapping is compared with a mapping.
bool is_file_of(const Mapping& mapping, int descriptor) {
  void* page = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, descriptor, 0);
  if (page == MAP_FAILED) return false;
  Mapping own;
  const bool same = find_mapping(reinterpret_cast<uintptr_t>(page), &own) && own.same_file(mapping);
  ::munmap(page, 1);
  return same;
}

}  // namespace

MappedFile::MappedFile(const void* data, int64_t bytes) {
  if (bytes < kLargeBytes) return;
  const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(data));
  Mapping mapping;
  if (!find_mapping(address, &mapping) || mapping.rights[3] != 's') return;
  if (address + static_cast<uint64_t>(bytes) > mapping.end) return;
  const int descriptor = ::open(mapping.path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  if (!is_file_of(mapping, descriptor)) {  // the path may by now lead to another
    ::close(descriptor);
    return;
  }
  descriptor_ = descriptor;
  origin_ = mapping.begin - mapping.offset;
}

MappedFile::~MappedFile() {
  if (is_open()) ::close(descriptor_);
}

void MappedFile::read(void* out, const char* address, int64_t bytes) const {
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    const uint64_t offset = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(address)) - origin_;
    const ssize_t count = ::pread(descriptor_, to, static_cast<size_t>(bytes), static_cast<off_t>(offset));
    if (count <= 0) {
      std::memcpy(to, address, static_cast<size_t>(bytes));  // the mapping can still be read
      return;
    }
    to += count;
    address += count;
    bytes -= count;
  }
}

#else

MappedFile::MappedFile(const void*, int64_t) {}
MappedFile::~MappedFile() = default;
void MappedFile::read(void* out, const char* address, int64_t bytes) const {
  std::memcpy(out, address, static_cast<size_t>(bytes));
}

#endif

}  // namespace ganglion

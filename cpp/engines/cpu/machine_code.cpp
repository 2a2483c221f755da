#include "engines/cpu/machine_code.h"

#include <cstring>

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

namespace ganglion {

#if defined(_WIN32)

std::unique_ptr<MachineCode> MachineCode::load(const std::vector<uint8_t>&) { return nullptr; }
MachineCode::~MachineCode() = default;

#else

std::unique_ptr<MachineCode> MachineCode::load(const std::vector<uint8_t>& code) {
  void* const memory = mmap(nullptr, code.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memcpy(memory, code.data(), code.size());
  if (mprotect(memory, code.size(), PROT_READ | PROT_EXEC) != 0) {
    munmap(memory, code.size());
    return nullptr;
  }
  return std::unique_ptr<MachineCode>(new MachineCode(memory, code.size()));
}

MachineCode::~MachineCode() { munmap(memory_, bytes_); }

#endif

}  // namespace ganglion

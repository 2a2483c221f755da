// Memory that holds machine code. It is written first and made executable then, never both at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace ganglion {

class MachineCode {
 public:
  // Null where the system does not let a process run what it has written.
  static std::unique_ptr<MachineCode> load(const std::vector<uint8_t>& code);
  ~MachineCode();
  MachineCode(const MachineCode&) = delete;
  MachineCode& operator=(const MachineCode&) = delete;

  const void* entry() const { return memory_; }

 private:
  MachineCode(void* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}

  void* memory_;
  size_t bytes_;
};

}  // namespace ganglion

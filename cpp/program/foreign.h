// A function that the core does not know, called with the whole batch: what primitives cannot say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ganglion {

class Foreign {
 public:
  // Contiguous numbers, of the program's type.
  struct Operand {
    const void* data;
    std::vector<int64_t> extents;
    std::shared_ptr<const void> owner;  // of the memory; null: nobody answers for it behind the call
  };
  struct Result {
    void* data;
    std::vector<int64_t> extents;
  };

  virtual ~Foreign() = default;
  // For messages: what it is called, and where it stands.
  virtual const std::string& name() const = 0;
  // Fills the results. Whatever it throws ends the run.
  virtual void run(const std::vector<Operand>& operands, const std::vector<Result>& results, bool single) const = 0;
  // What makes of the result's gradient, the operands and the result the gradient of each operand; null: there is none.
  virtual std::shared_ptr<const Foreign> gradient() const = 0;
};

}  // namespace ganglion

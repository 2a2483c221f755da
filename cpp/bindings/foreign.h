// Functions of Python that a program calls.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "program/foreign.h"

namespace ganglion {

// Calls function(arrays, shapes): the operands, which cannot be written to, and the shapes of the arrays that it must
// return a list of.
class BoundForeign : public Foreign {
 public:
  BoundForeign(std::string name, pybind11::object function, std::shared_ptr<const Foreign> gradient)
      : name_(std::move(name)), function_(std::move(function)), gradient_(std::move(gradient)) {}
  ~BoundForeign() override;
  BoundForeign(const BoundForeign&) = delete;
  BoundForeign& operator=(const BoundForeign&) = delete;

  const std::string& name() const override { return name_; }
  void run(const std::vector<Operand>& operands, const std::vector<Result>& results, bool single) const override;
  std::shared_ptr<const Foreign> gradient() const override { return gradient_; }
  const pybind11::object& function() const { return function_; }

 private:
  std::string name_;
  pybind11::object function_;
  std::shared_ptr<const Foreign> gradient_;
};

}  // namespace ganglion

#include "engines/cuda/step.h"

#include <map>
#include <string>

#include "core/error.h"
#include "program/foreign.h"

namespace ganglion::cuda {

namespace {

template <class T>
using StepMaker = StepPointer<T> (*)(const StepSource<T>&);

template <class T>
const std::map<std::string, StepMaker<T>>& step_makers() {
  static const std::map<std::string, StepMaker<T>> makers = [] {
    std::map<std::string, StepMaker<T>> table{
        {"expression", make_expression_step<T>}, {"matmul", make_matmul_step<T>}, {"scan", make_scan_step<T>}};
    const auto add = [&](StepMaker<T> maker, std::initializer_list<const char*> kinds) {
      for (const char* kind : kinds) table[kind] = maker;
    };
    add(make_convolution_step<T>, {"convolution", "convolution_input_gradient", "convolution_weight_gradient"});
    add(make_reduction_step<T>, {"axis_size", "reduce_sum", "reduce_max"});
    add(make_routing_step<T>,
        {"routing_agreement", "routing_input_gradient", "routing_sum", "routing_weight_gradient"});
    add(make_resampling_step<T>, {"resample", "resample_gradient"});
    add(make_take_step<T>, {"take", "take_gradient"});
    add(make_layout_step<T>, {"transpose", "slice", "flip", "as_batch", "from_batch", "pad", "concat", "roll", "pack"});
    add(make_row_step<T>,
        {"softmax", "log_softmax", "softmax_gradient", "log_softmax_gradient", "crossentropy", "sparse_crossentropy",
         "crossentropy_gradient", "sparse_crossentropy_gradient", "argmax", "kth_largest"});
    add(make_pooling_step<T>, {"max_pool", "max_pool_gradient", "window_sum", "window_spread"});
    return table;
  }();
  return makers;
}

}  // namespace

template <class T>
StepPointer<T> make_step(const StepSource<T>& source) {
  const Operation& operation = source.operation;
  check(!operation.foreign, "[cuda] the function '", operation.foreign ? operation.foreign->name() : "",
        "' runs in Python on the processor, which a loop on the device cannot call: use device='cpu'");
  const auto found = step_makers<T>().find(operation.kind);
  check(found != step_makers<T>().end(), "[cuda] cannot run the operation '", operation.kind, "'");
  return found->second(source);
}

template StepPointer<float> make_step(const StepSource<float>&);
template StepPointer<double> make_step(const StepSource<double>&);

}  // namespace ganglion::cuda

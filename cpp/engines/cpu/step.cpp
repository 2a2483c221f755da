#include "engines/cpu/step.h"

#include <map>
#include <string>

#include "core/error.h"

namespace ganglion {

namespace {

template <class T>
using StepMaker = StepPointer<T> (*)(const StepSource<T>&);

template <class T>
StepMaker<T> step_maker(const std::string& kind) {
  static const std::map<std::string, StepMaker<T>> makers = [] {
    std::map<std::string, StepMaker<T>> table{{"expression", make_expression_step<T>},
                                              {"matmul", make_matmul_step<T>},
                                              {"convolution", make_convolution_step<T>},
                                              {"convolution_input_gradient", make_convolution_step<T>},
                                              {"convolution_weight_gradient", make_convolution_weight_step<T>},
                                              {"call", make_call_step<T>},
                                              {"axis_size", make_reduction_step<T>},
                                              {"routing_weight_gradient", make_routing_weight_step<T>},
                                              {"scan", make_scan_step<T>}};
    for (const char* name : {"routing_agreement", "routing_input_gradient", "routing_sum"}) {
      table[name] = make_routing_step<T>;
    }
    for (const char* name : {"reduce_sum", "reduce_max"}) table[name] = make_reduction_step<T>;
    for (const char* name : {"resample", "resample_gradient"}) table[name] = make_resampling_step<T>;
    for (const char* name : {"take", "take_gradient"}) table[name] = make_take_step<T>;
    for (const char* name : {"transpose", "slice", "flip", "as_batch", "from_batch", "pad", "concat", "roll", "pack"}) {
      table[name] = make_layout_step<T>;
    }
    for (const char* name :
         {"softmax", "log_softmax", "softmax_gradient", "log_softmax_gradient", "crossentropy", "sparse_crossentropy",
          "crossentropy_gradient", "sparse_crossentropy_gradient", "argmax", "kth_largest"}) {
      table[name] = make_row_step<T>;
    }
    for (const char* name : {"max_pool", "max_pool_gradient", "window_sum", "window_spread"}) {
      table[name] = make_pooling_step<T>;
    }
    return table;
  }();
  const auto found = makers.find(kind);
  check(found != makers.end(), "[cpu] cannot run the operation '", kind, "'");
  return found->second;
}

}  // namespace

template <class T>
StepPointer<T> make_step(const StepSource<T>& source) {
  return step_maker<T>(source.operation.kind)(source);
}

template StepPointer<float> make_step(const StepSource<float>&);
template StepPointer<double> make_step(const StepSource<double>&);

}  // namespace ganglion

#include "engines/cpu/expression_runner.h"
#include "engines/cpu/step.h"

namespace ganglion {

namespace {

template <class T>
class ExpressionStep : public Step<T> {
 public:
  explicit ExpressionStep(const StepSource<T>& source)
      : source_(source),
        runner_(source.program, source.operation.expression, source.operation.inputs, source.operation.outputs, false) {
  }

  void bind(int64_t rows) override {
    runner_.bind(rows, source_.memory);
    sample_ = runner_.elements() / rows;
    source_.memory.require_scratch(runner_.scratch_elements());
  }
  void readdress(int64_t rows) override {
    runner_.readdress(rows, source_.memory);
    source_.memory.require_scratch(runner_.scratch_elements());
  }
  int64_t chunks(int) const override { return chunk_count(runner_.elements(), kChunkElements); }
  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t begin = chunk * kChunkElements;
    runner_.run(begin, std::min(begin + kChunkElements, runner_.elements()), source_.memory.thread_scratch(thread),
                key);
  }

  void run_range(const Range& range, const RunKey& key) override {
    runner_.run(range.begin * sample_, range.end * sample_, source_.memory.thread_scratch(range.thread), key, range);
  }

 private:
  StepSource<T> source_;
  ExpressionRunner<T> runner_;
  int64_t sample_ = 0;  // elements
};

}  // namespace

template <class T>
StepPointer<T> make_expression_step(const StepSource<T>& source) {
  return std::make_unique<ExpressionStep<T>>(source);
}

template StepPointer<float> make_expression_step(const StepSource<float>&);
template StepPointer<double> make_expression_step(const StepSource<double>&);

}  // namespace ganglion

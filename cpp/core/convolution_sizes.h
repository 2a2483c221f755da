// The sizes of a convolution over two axes, channels last:
//   x (n, rows.input, columns.input, channels) with weights (rows.kernel, columns.kernel, channels / groups, filters)
//   gives y (n, rows.output, columns.output, filters).
#pragma once

#include <cstdint>

namespace ganglion {

// Taps of a kernel whose channels are convolved by themselves, at most; a larger kernel is one of many groups.
constexpr int64_t kDepthwiseTaps = 64;

// One axis: output i reads inputs i * stride - before + j * dilation, for j < kernel; outside [0, input) are zeros.
struct ConvolutionAxis {
  int64_t input, kernel, output, stride, before, dilation;

  // Inputs from the first to the last that `outputs` of it read.
  int64_t reach(int64_t outputs) const { return (outputs - 1) * stride + (kernel - 1) * dilation + 1; }
  bool is_padded() const { return before > 0 || reach(output) > input; }
};

struct ConvolutionSizes {
  ConvolutionAxis rows, columns;
  int64_t channels, filters, groups;

  int64_t group_channels() const { return channels / groups; }
  int64_t group_filters() const { return filters / groups; }
  int64_t taps() const { return rows.kernel * columns.kernel; }
  int64_t image() const { return rows.input * columns.input * channels; }    // elements of a sample of x
  int64_t result() const { return rows.output * columns.output * filters; }  // of y
  int64_t weights() const { return taps() * group_channels() * filters; }
  bool is_depthwise() const { return channels > 1 && groups == channels && taps() <= kDepthwiseTaps; }
  bool is_padded() const { return rows.is_padded() || columns.is_padded(); }
  // Whether what the kernel reads of a row of x is one run of memory, rather than one for each of its columns.
  bool joins_columns() const { return groups == 1 && (columns.dilation == 1 || columns.kernel == 1); }
};

}  // namespace ganglion

// The gradient of a convolution's input: what each result gives to all that it read, added up where it was read.
#pragma once

#include "kernels/convolution-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Elements of products that are scattered at a time, and of a band of d_y and d_x, in the first cache.
constexpr int64_t kScatteredElements = 4096;
// Channels of which all vectors are full, whatever the instruction set.
constexpr int64_t kWholeChannels = 16;

// Where the channels fill vectors, each tap is a product of its own, summed where it belongs; otherwise the taps of a
// run are one product, and what it gives is added in vectors that span several pixels.
inline bool sums_by_taps(const ConvolutionSizes& sizes) { return sizes.group_channels() % kWholeChannels == 0; }

// The rows of a group's weights (taps * channels of a group, filters) as columns, group after group.
template <class T>
void convolution_turn_weights(const ConvolutionSizes& sizes, T* turned, const T* weights) {
  if (sizes.is_depthwise()) return copy_values(turned, weights, sizes.weights());
  const int64_t rows = sizes.taps() * sizes.group_channels(), filters = sizes.group_filters();
  for (int64_t part = 0; part < sizes.groups; ++part) {
    transpose(turned + part * rows * filters, rows, weights + part * filters, sizes.filters, rows, filters, false);
  }
}

// Runs of the kernel whose products are scattered at once.
inline int64_t joined_runs(const ConvolutionSizes& sizes, const ConvolutionCut& cut) {
  const KernelRuns runs(sizes);
  const int64_t of_run = cut.images * cut.rows * sizes.columns.output * runs.size;
  return larger(1, smaller(runs.count, kScatteredElements / of_run));
}

template <class T>
ConvolutionCut convolution_input_cut(const ConvolutionSizes& sizes) {
  const int64_t columns = sizes.columns.output, fewest = divide_up(fewest_results(sizes), columns);
  ConvolutionCut cut;
  if (sizes.is_depthwise()) {
    cut.thread_workspace = sizes.group_filters() > 1 ? sizes.image() * sizes.group_filters() : 0;
  } else if (sums_by_taps(sizes)) {
    cut = cut_bands(sizes, larger(kBandElements / (columns * (sizes.filters + sizes.channels)), fewest));
  } else {
    const KernelRuns runs(sizes);
    cut = cut_bands(sizes, larger(kScatteredElements / (columns * runs.count * runs.size), fewest));
    cut.thread_workspace = cut.images * cut.rows * columns * joined_runs(sizes, cut) * runs.size;
  }
  return cut;
}

// Results [first, end) of a row whose tap lies in x, the one that begins at `shift` from the first column.
struct InnerResults {
  int64_t first, end;
  InnerResults(const ConvolutionAxis& columns, int64_t shift, int64_t width) {
    first = larger(0, shift < 0 ? divide_up(-shift, columns.stride) : 0);
    const int64_t room = columns.input - width - shift;
    end = room < 0 ? 0 : smaller(columns.output, room / columns.stride + 1);
    if (end < first) end = first;
  }
};

// d_x += d_y times each tap of one group, for a band. `d_x` is its first image, `d_y` the band's own results.
template <class T>
void add_taps(const ConvolutionSizes& sizes, const ConvolutionBand& band, int64_t part, T* d_x, const T* d_y,
              const T* turned) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t c = sizes.channels, channels = sizes.group_channels(), filters = sizes.group_filters();
  const int64_t all = sizes.taps() * channels;
  for (int64_t tap = 0; tap < sizes.taps(); ++tap) {
    const int64_t shift = tap % columns.kernel * columns.dilation - columns.before;
    const InnerResults inner(columns, shift, 1);
    if (inner.first == inner.end) continue;
    const RowStrips strips(inner.end - inner.first);
    const int64_t strip = (strips.rows(0) <= kFewRows ? kWideVectors : kTileVectors) * Simd<T>::lanes;
    for (int64_t line = 0; line < band.images * band.rows; ++line) {
      const int64_t row = band.row + line % band.rows;
      const int64_t to_row = row * rows.stride - rows.before + tap / columns.kernel * rows.dilation;
      if (to_row < 0 || to_row >= rows.input) continue;
      int64_t x = inner.first;
      for (int64_t s = 0; s < strips.count; x += strips.rows(s++)) {
        const TileProduct<T> tile{strips.rows(s),
                                  channels,
                                  filters,
                                  d_y + (line * columns.output + x) * sizes.filters + part * filters,
                                  sizes.filters,
                                  1,
                                  turned + part * all * filters + tap * channels,
                                  all,
                                  1,
                                  false,
                                  nullptr,
                                  0};
        T* const to = d_x + line / band.rows * sizes.image() +
                      (to_row * columns.input + x * columns.stride + shift) * c + part * channels;
        run_tiles(tile, strip, to, columns.stride * c, true, static_cast<const T* const*>(nullptr));
      }
    }
  }
}

// `count` times `size` values, added where they belong.
template <class T>
void add_runs(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t count, int64_t size) {
  constexpr int64_t lanes = Simd<T>::lanes;
  const int64_t whole = size / lanes * lanes;
  const int last = static_cast<int>(size - whole);
  for (; count > 0; --count, to += to_step, from += from_step) {
    for (int64_t i = 0; i < whole; i += lanes) store(to + i, load(to + i) + load(from + i));
    if (last) store_first(to + whole, load_first(to + whole, last) + load_first(from + whole, last), last);
  }
}

// Adds what one row of results gave for the runs [first, end) to the rows of d_x that they read: products
// (results of the row, runs). Neighbours overlap; so every few results are one turn, and what was just stored is not
// read at once.
template <class T>
void scatter_line(const ConvolutionSizes& sizes, const KernelRuns& runs, int64_t first, int64_t end, int64_t row,
                  T* d_x, const T* products) {
  const ConvolutionAxis& rows = sizes.rows;
  const ConvolutionAxis& columns = sizes.columns;
  const int64_t c = sizes.channels, width = (end - first) * runs.size;
  const int64_t joined = sizes.joins_columns() ? columns.kernel : 1;  // columns of x that a run covers
  const int64_t of_column = runs.size / joined, turns = divide_up(joined, columns.stride);
  const InnerResults whole(columns, -columns.before, joined);
  for (int64_t turn = 0; turn < turns; ++turn) {
    for (int64_t run = first; run < end; ++run) {
      const int64_t to_row = row * rows.stride - rows.before + runs.row(run) * rows.dilation;
      if (to_row < 0 || to_row >= rows.input) continue;
      T* const to = d_x + to_row * columns.input * c;
      const T* const from = products + (run - first) * runs.size;
      const int64_t shift = runs.column(run) * columns.dilation - columns.before;
      const InnerResults inner = joined > 1 ? whole : InnerResults(columns, shift, 1);
      for (int64_t x = turn; x < columns.output;) {
        const int64_t column = x * columns.stride + shift;
        if (x >= inner.first && x < inner.end) {
          const int64_t count = divide_up(inner.end - x, turns);
          add_runs(to + column * c, turns * columns.stride * c, from + x * width, turns * width, count, runs.size);
          x += count * turns;
          continue;
        }
        const int64_t begin = larger(0, -column), stop = smaller(joined, columns.input - column);
        if (begin < stop) {
          add_runs(to + (column + begin) * c, 0, from + x * width + begin * of_column, 0, 1,
                   (stop - begin) * of_column);
        }
        x += turns;
      }
    }
  }
}

// The same by products of whole runs.
template <class T>
void add_runs_of_band(const ConvolutionSizes& sizes, const ConvolutionCut& cut, const ConvolutionBand& band,
                      int64_t part, T* d_x, const T* d_y, const T* turned, T* workspace) {
  const KernelRuns runs(sizes);
  const int64_t columns = sizes.columns.output, filters = sizes.group_filters(), lines = band.images * band.rows;
  const int64_t all = runs.count * runs.size, joined = joined_runs(sizes, cut);
  for (int64_t run = 0; run < runs.count; run += joined) {
    const int64_t end = smaller(run + joined, runs.count), width = (end - run) * runs.size;
    const TileProduct<T> product{lines * columns,
                                 width,
                                 filters,
                                 d_y + part * filters,
                                 sizes.filters,
                                 1,
                                 turned + part * all * filters + run * runs.size,
                                 all,
                                 1,
                                 false,
                                 nullptr,
                                 0};
    run_panels(product, MatmulPlan{}, workspace, width, false, static_cast<T*>(nullptr), static_cast<T*>(nullptr));
    for (int64_t line = 0; line < lines; ++line) {
      scatter_line(sizes, runs, run, end, band.row + line % band.rows,
                   d_x + line / band.rows * sizes.image() + part * sizes.group_channels(),
                   workspace + line * columns * width);
    }
  }
}

// d_x of whole images.
template <class T>
void convolution_input_gradient(const ConvolutionSizes& sizes, const ConvolutionCut& cut, int64_t images, T* d_x,
                                const T* d_y, const T* turned, T* workspace) {
  if (sizes.is_depthwise()) return depthwise_input_gradient(sizes, images, d_x, d_y, turned, workspace);
  set_zero(d_x, images * sizes.image());
  for (int64_t image = 0; image < images; image += cut.images) {
    for (int64_t row = 0; row < sizes.rows.output; row += cut.rows) {
      const ConvolutionBand band{smaller(cut.images, images - image), row, smaller(cut.rows, sizes.rows.output - row)};
      T* const to = d_x + image * sizes.image();
      const T* const from = d_y + image * sizes.result() + row * sizes.columns.output * sizes.filters;
      for (int64_t part = 0; part < sizes.groups; ++part) {
        if (sums_by_taps(sizes)) {
          add_taps(sizes, band, part, to, from, turned);
        } else {
          add_runs_of_band(sizes, cut, band, part, to, from, turned, workspace);
        }
      }
    }
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion

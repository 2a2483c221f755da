// Images read at the places that a matrix gives. A pixel of the result is a weighted sum of taps: first the taps of a
// part of a row are found, all alike so that they are vectors; then pixels are summed, channel by channel.
#pragma once

#include "kernels/math-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

constexpr int kTapPixels = 64;

// Places further away are taken for this one, which is whole and has neighbours in float; NaN too.
constexpr float kFarthestPixel = 0x1p22f;

// Of each pixel of a part of a row: where its taps begin in the image, and what they count.
template <class T>
struct Taps {
  int32_t at[4][kTapPixels];
  T weight[4][kTapPixels];
};

// The pixel that stands at place i of an axis of `size`, and what it counts.
template <FillMode mode, class T>
GANGLION_INLINE T pixel_at(T i, T size, T& weight) {
  if constexpr (mode == FillMode::wrap) return i - size * round_down(i / size);
  if constexpr (mode == FillMode::reflect) {
    const T period = 2 * size, inside = i - period * round_down(i / period);
    return inside < size ? inside : period - 1 - inside;
  }
  const T last = size - 1, nearest = i < 0 ? T{0} : i > last ? last : i;
  if constexpr (mode == FillMode::constant) weight = i == nearest ? weight : T{0};
  return nearest;
}

template <class T>
GANGLION_INLINE T bounded(T place) {
  const T farthest = static_cast<T>(kFarthestPixel), below = place < farthest ? place : farthest;
  return below > -farthest ? below : -farthest;
}

// Taps of pixels [first, first + count) of row y of a result.
template <FillMode mode, bool bilinear, class T>
void find_taps(Taps<T>& taps, const T* matrix, const Resampling& sizes, int64_t y, int64_t first, int count) {
  const T height = static_cast<T>(sizes.height), width = static_cast<T>(sizes.width);
  const int32_t channels = static_cast<int32_t>(sizes.channels), row = static_cast<int32_t>(sizes.width) * channels;
  const T from_x = fma(matrix[1], static_cast<T>(y), matrix[2]), from_y = fma(matrix[4], static_cast<T>(y), matrix[5]);
  const T by_x = matrix[0], by_y = matrix[3];
  const int32_t start = static_cast<int32_t>(first);
  // In whole vectors: taps beyond the row are not used, but lie within the image too.
  const int whole = static_cast<int>(divide_up(count, Simd<T>::lanes)) * Simd<T>::lanes;
  for (int i = 0; i < whole; ++i) {
    const T x = static_cast<T>(start + i);
    const T place_x = bounded(fma(by_x, x, from_x)), place_y = bounded(fma(by_y, x, from_y));
    if constexpr (bilinear) {
      const T left = round_down(place_x), top = round_down(place_y);
      const T part_x = place_x - left, part_y = place_y - top;
      T weight_left = 1 - part_x, weight_right = part_x, weight_top = 1 - part_y, weight_bottom = part_y;
      const int32_t column_left = static_cast<int32_t>(pixel_at<mode>(left, width, weight_left)) * channels;
      const int32_t column_right = static_cast<int32_t>(pixel_at<mode>(left + 1, width, weight_right)) * channels;
      const int32_t row_top = static_cast<int32_t>(pixel_at<mode>(top, height, weight_top)) * row;
      const int32_t row_bottom = static_cast<int32_t>(pixel_at<mode>(top + 1, height, weight_bottom)) * row;
      taps.at[0][i] = row_top + column_left;
      taps.at[1][i] = row_top + column_right;
      taps.at[2][i] = row_bottom + column_left;
      taps.at[3][i] = row_bottom + column_right;
      taps.weight[0][i] = weight_top * weight_left;
      taps.weight[1][i] = weight_top * weight_right;
      taps.weight[2][i] = weight_bottom * weight_left;
      taps.weight[3][i] = weight_bottom * weight_right;
    } else {
      T weight = 1;
      const T half = static_cast<T>(0.5);
      const T column = pixel_at<mode>(round_down(place_x + half), width, weight);
      const T line = pixel_at<mode>(round_down(place_y + half), height, weight);
      taps.at[0][i] = static_cast<int32_t>(line) * row + static_cast<int32_t>(column) * channels;
      taps.weight[0][i] = weight;
    }
  }
}

template <class T>
using FindTaps = void (*)(Taps<T>&, const T*, const Resampling&, int64_t, int64_t, int);

template <class T>
FindTaps<T> tap_finder(const Resampling& sizes) {
  switch (sizes.fill_mode) {
    case FillMode::constant:
      return sizes.bilinear ? find_taps<FillMode::constant, true, T> : find_taps<FillMode::constant, false, T>;
    case FillMode::nearest:
      return sizes.bilinear ? find_taps<FillMode::nearest, true, T> : find_taps<FillMode::nearest, false, T>;
    case FillMode::reflect:
      return sizes.bilinear ? find_taps<FillMode::reflect, true, T> : find_taps<FillMode::reflect, false, T>;
    case FillMode::wrap:
      break;
  }
  return sizes.bilinear ? find_taps<FillMode::wrap, true, T> : find_taps<FillMode::wrap, false, T>;
}

// Channels 0: any number.
template <int taps_of_pixel, int Channels, class T>
void read_taps(T* out, const T* image, const Taps<T>& taps, int count, int64_t channels) {
  const int64_t all = Channels > 0 ? Channels : channels;
  for (int i = 0; i < count; ++i) {
    for (int64_t c = 0; c < all; ++c) {
      T sum = taps.weight[0][i] * image[taps.at[0][i] + c];
      GANGLION_UNROLL for (int tap = 1; tap < taps_of_pixel; ++tap) {
        sum = fma(taps.weight[tap][i], image[taps.at[tap][i] + c], sum);
      }
      out[i * all + c] = sum;
    }
  }
}

// Of three channels, four at a time: what is read and written beyond a pixel belongs to the next.
template <int taps_of_pixel, class T>
void read_taps_of_three(T* out, const T* image, const Taps<T>& taps, int count, int64_t) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  for (int i = 0; i < count; ++i) {
    Four sum{};
    GANGLION_UNROLL for (int tap = 0; tap < taps_of_pixel; ++tap) {
      Four pixel;
      __builtin_memcpy(&pixel, image + taps.at[tap][i], sizeof pixel);
      const T weight = taps.weight[tap][i];
      if (tap == 0) {
        sum = pixel * weight;
      } else {
        GANGLION_UNROLL for (int c = 0; c < 4; ++c) sum[c] = fma(weight, pixel[c], sum[c]);
      }
    }
    __builtin_memcpy(out + 3 * i, &sum, sizeof sum);
  }
}

template <int taps_of_pixel, int Channels, class T>
void add_to_taps(T* d_image, const T* d_out, const Taps<T>& taps, int count, int64_t channels) {
  const int64_t all = Channels > 0 ? Channels : channels;
  for (int i = 0; i < count; ++i) {
    GANGLION_UNROLL for (int tap = 0; tap < taps_of_pixel; ++tap) {
      T* const to = d_image + taps.at[tap][i];
      for (int64_t c = 0; c < all; ++c) to[c] = fma(taps.weight[tap][i], d_out[i * all + c], to[c]);
    }
  }
}

template <class T>
using ReadTaps = void (*)(T*, const T*, const Taps<T>&, int, int64_t);

template <int Channels, class T>
ReadTaps<T> tap_reader(bool bilinear) {
  return bilinear ? read_taps<4, Channels, T> : read_taps<1, Channels, T>;
}
template <int Channels, class T>
ReadTaps<T> tap_adder(bool bilinear) {
  return bilinear ? add_to_taps<4, Channels, T> : add_to_taps<1, Channels, T>;
}

template <class T>
void resample(T* out, const T* x, const T* matrix, const Resampling& sizes, int64_t images) {
  const FindTaps<T> find = tap_finder<T>(sizes);
  const ReadTaps<T> read = sizes.channels == 1   ? tap_reader<1, T>(sizes.bilinear)
                           : sizes.channels == 3 ? tap_reader<3, T>(sizes.bilinear)
                                                 : tap_reader<0, T>(sizes.bilinear);
  const ReadTaps<T> read_three = sizes.bilinear ? read_taps_of_three<4, T> : read_taps_of_three<1, T>;
  Taps<T> taps;
  for (int64_t image = 0; image < images; ++image) {
    const ReadTaps<T> read_image = sizes.channels == 3 && image + 1 < images ? read_three : read;
    for (int64_t y = 0; y < sizes.out_height; ++y) {
      for (int64_t first = 0; first < sizes.out_width; first += kTapPixels) {
        const int count = static_cast<int>(smaller(kTapPixels, sizes.out_width - first));
        find(taps, matrix, sizes, y, first, count);
        read_image(out, x, taps, count, sizes.channels);
        out += count * sizes.channels;
      }
    }
    x += sizes.height * sizes.width * sizes.channels;
    matrix += 6;
  }
}

template <class T>
void resample_gradient(T* d_x, const T* d_out, const T* matrix, const Resampling& sizes, int64_t images) {
  const FindTaps<T> find = tap_finder<T>(sizes);
  const ReadTaps<T> add = sizes.channels == 1   ? tap_adder<1, T>(sizes.bilinear)
                          : sizes.channels == 3 ? tap_adder<3, T>(sizes.bilinear)
                                                : tap_adder<0, T>(sizes.bilinear);
  const int64_t size = sizes.height * sizes.width * sizes.channels;
  Taps<T> taps;
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t i = 0; i < size; ++i) d_x[i] = 0;
    for (int64_t y = 0; y < sizes.out_height; ++y) {
      for (int64_t first = 0; first < sizes.out_width; first += kTapPixels) {
        const int count = static_cast<int>(smaller(kTapPixels, sizes.out_width - first));
        find(taps, matrix, sizes, y, first, count);
        add(d_x, d_out, taps, count, sizes.channels);
        d_out += count * sizes.channels;
      }
    }
    d_x += size;
    matrix += 6;
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion

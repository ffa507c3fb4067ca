#include "ops/kernels/avx512/winograd.hpp"

#include "ops/kernels/avx512/matrix_product.hpp"
#include "ops/kernels/avx512/winograd_transforms.hpp"

namespace troupe::kernels::avx512 {

namespace {

constexpr int lanes = 16;
constexpr int points = 36;

int smaller(int a, int b) {
  return a < b ? a : b;
}

// Floats between two planes: an odd number of cache lines and not near a multiple of 4096 bytes, or
// the 36 stores of one transform would fall into one set of the first-level cache.
std::int64_t padded_plane(std::int64_t floats) {
  const std::int64_t lines = floats / lanes;
  return ((lines | 1) + (lines % 64 < 2 ? 2 : 0)) * lanes;
}

// Tiles in order of image, row, column.
struct tile_position {
  int image, row, column;
};

template <class Visit>
inline void for_each_tile(const winograd& w, int first, int last, Visit visit) {
  const int per_image = w.tile_rows * w.tile_columns;
  tile_position at{
      first / per_image, first % per_image / w.tile_columns, first % per_image % w.tile_columns};
  for (int t = first; t < last; ++t) {
    visit(t - first, at);
    if (++at.column == w.tile_columns) {
      at.column = 0;
      if (++at.row == w.tile_rows) {
        at.row = 0;
        ++at.image;
      }
    }
  }
}

inline const float*
block_of(const winograd& w, const float* base, int image, int channels, int block) {
  return base + (std::int64_t{image} * (channels / lanes) + block) * w.height * w.width * lanes;
}

// planes[36][tile][channels] = B^T x B of each tile
template <int Tile, int Kernel>
void gather(const winograd& w,
            const float* input,
            int channels,
            int first,
            int last,
            float* planes,
            std::int64_t plane) {
  constexpr int padding = Kernel / 2;
  for (int block = 0; block < channels / lanes; ++block) {
    for_each_tile(w, first, last, [&](int t, tile_position at) {
      const float* image = block_of(w, input, at.image, channels, block);
      const int y0 = at.row * Tile - padding, x0 = at.column * Tile - padding;
      vector columns[points], result[6];
      if (y0 >= 0 && x0 >= 0 && y0 + 6 <= w.height && x0 + 6 <= w.width) {
        for (int j = 0; j < 6; ++j) {
          vector in[6];
          for (int i = 0; i < 6; ++i)
            in[i] = _mm512_load_ps(image + ((y0 + i) * w.width + x0 + j) * lanes);
          input_transform(in, columns + j, 6);
        }
      } else {
        for (int j = 0; j < 6; ++j) {
          vector in[6];
          const bool column_inside = x0 + j >= 0 && x0 + j < w.width;
          for (int i = 0; i < 6; ++i) {
            const bool inside = column_inside && y0 + i >= 0 && y0 + i < w.height;
            in[i] = inside ? _mm512_load_ps(image + ((y0 + i) * w.width + x0 + j) * lanes)
                           : _mm512_setzero_ps();
          }
          input_transform(in, columns + j, 6);
        }
      }
      float* out = planes + std::int64_t{t} * channels + block * lanes;
      for (int i = 0; i < 6; ++i) {
        input_transform(columns + i * 6, result, 1);
        for (int j = 0; j < 6; ++j)
          _mm512_store_ps(out + (i * 6 + j) * plane, result[j]);
      }
    });
  }
}

// output = A^T planes A + bias of each tile
template <int Tile>
void scatter(const winograd& w,
             const float* planes,
             std::int64_t plane,
             int channels,
             int first,
             int last,
             const float* bias,
             float* output) {
  for (int block = 0; block < channels / lanes; ++block) {
    const vector offset =
        bias != nullptr ? _mm512_loadu_ps(bias + block * lanes) : _mm512_setzero_ps();
    for_each_tile(w, first, last, [&](int t, tile_position at) {
      float* image = const_cast<float*>(block_of(w, output, at.image, channels, block));
      const float* in = planes + std::int64_t{t} * channels + block * lanes;
      vector columns[6 * Tile], result[Tile];
      for (int j = 0; j < 6; ++j) {
        vector column[6];
        for (int i = 0; i < 6; ++i)
          column[i] = _mm512_load_ps(in + (i * 6 + j) * plane);
        output_transform<Tile>(column, columns + j, 6);
      }
      const int rows = smaller(Tile, w.height - at.row * Tile);
      const int width = smaller(Tile, w.width - at.column * Tile);
      for (int i = 0; i < Tile; ++i) {
        output_transform<Tile>(columns + i * 6, result, 1);
        float* out = image + ((at.row * Tile + i) * w.width + at.column * Tile) * lanes;
        if (i < rows && width == Tile) {
          for (int j = 0; j < Tile; ++j)
            _mm512_store_ps(out + j * lanes, add(result[j], offset));
        } else if (i < rows) {
          for (int j = 0; j < width; ++j)
            _mm512_store_ps(out + j * lanes, add(result[j], offset));
        }
      }
    });
  }
}

// planes = A dY A^T of each tile
template <int Tile>
void gather_gradient(const winograd& w,
                     const float* gradient,
                     int channels,
                     int first,
                     int last,
                     float* planes,
                     std::int64_t plane) {
  for (int block = 0; block < channels / lanes; ++block) {
    for_each_tile(w, first, last, [&](int t, tile_position at) {
      const float* image = block_of(w, gradient, at.image, channels, block);
      vector columns[6 * Tile], result[6];
      for (int j = 0; j < Tile; ++j) {
        vector in[Tile];
        for (int i = 0; i < Tile; ++i) {
          const int y = at.row * Tile + i, x = at.column * Tile + j;
          in[i] = y < w.height && x < w.width ? _mm512_load_ps(image + (y * w.width + x) * lanes)
                                              : _mm512_setzero_ps();
        }
        gradient_transform<Tile>(in, columns + j, Tile);
      }
      float* out = planes + std::int64_t{t} * channels + block * lanes;
      for (int i = 0; i < 6; ++i) {
        gradient_transform<Tile>(columns + i * Tile, result, 1);
        for (int j = 0; j < 6; ++j)
          _mm512_store_ps(out + (i * 6 + j) * plane, result[j]);
      }
    });
  }
}

// transformed[36][rows][columns] = G w G^T, w: [rows][kernel][kernel][columns]
template <int Kernel>
void transform(const float* weight, int rows, int columns, float* transformed) {
  static constexpr kernel_matrix<Kernel> matrix;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; column += lanes) {
      const float* in = weight + std::int64_t{row} * Kernel * Kernel * columns + column;
      vector half[6][Kernel];
      for (int x = 0; x < Kernel; ++x) {
        for (int a = 0; a < 6; ++a) {
          vector sum = _mm512_setzero_ps();
          for (int y = 0; y < Kernel; ++y)
            sum = add_scaled(sum, matrix.g[a][y], _mm512_loadu_ps(in + (y * Kernel + x) * columns));
          half[a][x] = sum;
        }
      }
      for (int a = 0; a < 6; ++a) {
        for (int b = 0; b < 6; ++b) {
          vector sum = _mm512_setzero_ps();
          for (int x = 0; x < Kernel; ++x)
            sum = add_scaled(sum, matrix.g[b][x], half[a][x]);
          _mm512_storeu_ps(transformed + (std::int64_t{a * 6 + b} * rows + row) * columns + column,
                           sum);
        }
      }
    }
  }
}

// weight[rows][kernel][kernel][columns] = G^T transformed G
template <int Kernel>
void transform_back(const float* transformed, int rows, int columns, float* weight) {
  static constexpr kernel_matrix<Kernel> matrix;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; column += lanes) {
      vector half[Kernel][6];
      for (int b = 0; b < 6; ++b) {
        vector in[6];
        for (int a = 0; a < 6; ++a)
          in[a] = _mm512_loadu_ps(transformed + (std::int64_t{a * 6 + b} * rows + row) * columns +
                                  column);
        for (int y = 0; y < Kernel; ++y) {
          vector sum = _mm512_setzero_ps();
          for (int a = 0; a < 6; ++a)
            sum = add_scaled(sum, matrix.g[a][y], in[a]);
          half[y][b] = sum;
        }
      }
      float* out = weight + std::int64_t{row} * Kernel * Kernel * columns + column;
      for (int y = 0; y < Kernel; ++y) {
        for (int x = 0; x < Kernel; ++x) {
          vector sum = _mm512_setzero_ps();
          for (int b = 0; b < 6; ++b)
            sum = add_scaled(sum, matrix.g[b][x], half[y][b]);
          _mm512_storeu_ps(out + (y * Kernel + x) * columns, sum);
        }
      }
    }
  }
}

struct scratch_areas {
  float* inputs;   // 36 planes of [chunk, input channels]
  float* outputs;  // 36 planes of [chunk, output channels]
  float* gradient; // transformed gradient of the weight

  scratch_areas(const winograd& w, float* scratch)
      : inputs(scratch),
        outputs(inputs + points * w.input_plane),
        gradient(outputs + points * w.output_plane) {}
};

template <int Tile, int Kernel>
void forward(const winograd& w,
             int n,
             const float* input,
             const float* transformed,
             const float* bias,
             float* output,
             const scratch_areas& s) {
  const int tiles = n * w.tile_rows * w.tile_columns;
  for (int first = 0; first < tiles; first += w.chunk) {
    const int last = smaller(tiles, first + w.chunk);
    gather<Tile, Kernel>(w, input, w.inputs, first, last, s.inputs, w.input_plane);
    matrix_products({last - first, w.outputs, w.inputs, points},
                    {s.inputs, w.inputs, 1, w.input_plane},
                    {transformed, w.outputs, std::int64_t{w.inputs} * w.outputs},
                    {s.outputs, w.outputs, w.output_plane},
                    false);
    scatter<Tile>(w, s.outputs, w.output_plane, w.outputs, first, last, bias, output);
  }
}

template <int Tile, int Kernel>
void input_gradient(const winograd& w,
                    int n,
                    const float* gradient,
                    const float* transformed,
                    float* result,
                    const scratch_areas& s) {
  const int tiles = n * w.tile_rows * w.tile_columns;
  for (int first = 0; first < tiles; first += w.chunk) {
    const int last = smaller(tiles, first + w.chunk);
    gather<Tile, Kernel>(w, gradient, w.outputs, first, last, s.outputs, w.output_plane);
    matrix_products({last - first, w.inputs, w.outputs, points},
                    {s.outputs, w.outputs, 1, w.output_plane},
                    {transformed, w.inputs, std::int64_t{w.inputs} * w.outputs},
                    {s.inputs, w.inputs, w.input_plane},
                    false);
    scatter<Tile>(w, s.inputs, w.input_plane, w.inputs, first, last, nullptr, result);
  }
}

template <int Tile, int Kernel>
void weight_gradient(const winograd& w,
                     int n,
                     const float* input,
                     const float* gradient,
                     float* result,
                     const scratch_areas& s) {
  const int tiles = n * w.tile_rows * w.tile_columns;
  for (int first = 0; first < tiles; first += w.chunk) {
    const int last = smaller(tiles, first + w.chunk);
    gather<Tile, Kernel>(w, input, w.inputs, first, last, s.inputs, w.input_plane);
    gather_gradient<Tile>(w, gradient, w.outputs, first, last, s.outputs, w.output_plane);
    matrix_products({w.inputs, w.outputs, last - first, points},
                    {s.inputs, 1, w.inputs, w.input_plane},
                    {s.outputs, w.outputs, w.output_plane},
                    {s.gradient, w.outputs, std::int64_t{w.inputs} * w.outputs},
                    first > 0);
  }
  transform_back<Kernel>(s.gradient, w.inputs, w.outputs, result);
}

} // namespace

winograd plan_winograd(int kernel, int inputs, int outputs, int height, int width) {
  // Measured: a wide optimum where a chunk's transforms take half of a second-level cache of 1 or 2
  // MiB.
  constexpr std::int64_t bytes = 700'000;
  constexpr int rows = 8; // divides into register tiles
  winograd w;
  w.kernel = kernel;
  w.inputs = inputs;
  w.outputs = outputs;
  w.height = height;
  w.width = width;
  w.tile = 7 - kernel;
  w.tile_rows = (height + w.tile - 1) / w.tile;
  w.tile_columns = (width + w.tile - 1) / w.tile;
  w.chunk = static_cast<int>(bytes / (std::int64_t{points} * (inputs + outputs) * 4)) / rows * rows;
  if (w.chunk < rows) w.chunk = rows;
  w.input_plane = padded_plane(std::int64_t{w.chunk} * inputs);
  w.output_plane = padded_plane(std::int64_t{w.chunk} * outputs);
  w.transformed = std::int64_t{points} * inputs * outputs;
  w.scratch = points * (w.input_plane + w.output_plane) + w.transformed;
  return w;
}

void transform_weight(const winograd& w, const float* weight, float* transformed) {
  if (w.kernel == 3)
    transform<3>(weight, w.inputs, w.outputs, transformed);
  else
    transform<5>(weight, w.inputs, w.outputs, transformed);
}

void transform_weight_for_input(const winograd& w,
                                const float* weight,
                                float* transformed,
                                float* scratch) {
  const int taps = w.kernel * w.kernel;
  for (int i = 0; i < w.inputs; ++i) // scratch[outputs][rotated tap][inputs]
    for (int k = 0; k < taps; ++k)
      for (int o = 0; o < w.outputs; ++o)
        scratch[(std::int64_t{o} * taps + taps - 1 - k) * w.inputs + i] =
            weight[(std::int64_t{i} * taps + k) * w.outputs + o];
  if (w.kernel == 3)
    transform<3>(scratch, w.outputs, w.inputs, transformed);
  else
    transform<5>(scratch, w.outputs, w.inputs, transformed);
}

void winograd_forward(const winograd& w,
                      int n,
                      const float* input,
                      const float* transformed,
                      const float* bias,
                      float* output,
                      float* scratch) {
  const scratch_areas s(w, scratch);
  if (w.kernel == 3)
    forward<4, 3>(w, n, input, transformed, bias, output, s);
  else
    forward<2, 5>(w, n, input, transformed, bias, output, s);
}

void winograd_input_gradient(const winograd& w,
                             int n,
                             const float* output_gradient,
                             const float* transformed,
                             float* result,
                             float* scratch) {
  const scratch_areas s(w, scratch);
  if (w.kernel == 3)
    input_gradient<4, 3>(w, n, output_gradient, transformed, result, s);
  else
    input_gradient<2, 5>(w, n, output_gradient, transformed, result, s);
}

void winograd_weight_gradient(const winograd& w,
                              int n,
                              const float* input,
                              const float* output_gradient,
                              float* result,
                              float* scratch) {
  const scratch_areas s(w, scratch);
  if (w.kernel == 3)
    weight_gradient<4, 3>(w, n, input, output_gradient, result, s);
  else
    weight_gradient<2, 5>(w, n, input, output_gradient, result, s);
}

void sum_over_pixels(int n, int channels, int pixels, const float* gradient, float* sum) {
  const int blocks = channels / lanes;
  for (int block = 0; block < blocks; ++block) {
    vector total = _mm512_setzero_ps();
    for (int image = 0; image < n; ++image) {
      const float* in = gradient + (std::int64_t{image} * blocks + block) * pixels * lanes;
      vector part = _mm512_setzero_ps();
      for (int i = 0; i < pixels; ++i)
        part = add(part, _mm512_load_ps(in + i * lanes));
      total = add(total, part);
    }
    _mm512_storeu_ps(sum + block * lanes, total);
  }
}

} // namespace troupe::kernels::avx512

#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/launch.cuh"
#include "ops/random.hpp"

#include <cmath>
#include <cstdint>

namespace troupe::gpu::cuda::launch {

namespace {

constexpr int sum_threads = 512; // a power of two

// Element by element. Results may lie where arguments do: nothing is __restrict__.

template <class Function>
__global__ void map_kernel(Function f, const float* x, float* y, std::int64_t count) {
  for (auto i = first_index<std::int64_t>(); i < count; i += grid_stride<std::int64_t>())
    y[i] = f(x[i]);
}

template <class Function>
__global__ void
zip_kernel(Function f, const float* a, const float* b, float* c, std::int64_t count) {
  for (auto i = first_index<std::int64_t>(); i < count; i += grid_stride<std::int64_t>())
    c[i] = f(a[i], b[i]);
}

template <class Function>
void map(const char* name,
         cudaStream_t on,
         const Function& f,
         const float* x,
         float* y,
         std::int64_t count) {
  run(name, on, count, map_kernel<Function>, f, x, y, count);
}

template <class Function>
void zip(const char* name,
         cudaStream_t on,
         const Function& f,
         const float* a,
         const float* b,
         float* c,
         std::int64_t count) {
  run(name, on, count, zip_kernel<Function>, f, a, b, c, count);
}

// Of one argument the function, of (y, gradient of y) the gradient of x. NaN stays NaN.

struct relu {
  __device__ float operator()(float x) const { return x < 0.0F ? 0.0F : x; }

  __device__ float operator()(float y, float g) const { return y > 0.0F ? g : 0.0F; }
};

struct leaky_relu {
  float slope;

  __device__ float operator()(float x) const { return x < 0.0F ? slope * x : x; }

  __device__ float operator()(float y, float g) const { return y > 0.0F ? g : slope * g; }
};

struct sigmoid {
  __device__ float operator()(float x) const { return 1.0F / (1.0F + expf(-x)); }

  __device__ float operator()(float y, float g) const { return g * y * (1.0F - y); }
};

struct hyperbolic_tangent {
  __device__ float operator()(float x) const { return tanhf(x); }

  __device__ float operator()(float y, float g) const { return g * (1.0F - y * y); }
};

struct sum_of {
  __device__ float operator()(float a, float b) const { return a + b; }
};

struct product_of {
  __device__ float operator()(float a, float b) const { return a * b; }
};

// use(f) with the functions of `a`.
template <class Use>
void with_function(const activation& a, const Use& use) {
  switch (a.kind) {
  case activation_kind::relu:
    return use(relu{});
  case activation_kind::leaky_relu:
    return use(leaky_relu{a.slope});
  case activation_kind::sigmoid:
    return use(sigmoid{});
  case activation_kind::tanh:
    return use(hyperbolic_tangent{});
  }
}

// Value i of [n, channels, pixels] is of channel (i / pixels) % channels.
template <class Index>
__global__ void
add_bias_kernel(Index count, Index channels, Index pixels, const float* bias, float* y) {
  for (auto i = first_index<Index>(); i < count; i += grid_stride<Index>())
    y[i] += bias[i / pixels % channels];
}

// A block sums one channel: each thread every 512th value in order, then a tree over the threads.
template <class Index>
__global__ void
bias_gradient_kernel(Index n, Index pixels, const float* y_gradient, float* bias_gradient) {
  __shared__ float sums[sum_threads];
  const Index channel = blockIdx.x, channels = gridDim.x, count = n * pixels;
  float sum = 0.0F;
  for (Index i = threadIdx.x; i < count; i += sum_threads)
    sum += y_gradient[(i / pixels * channels + channel) * pixels + i % pixels];
  sums[threadIdx.x] = sum;
  for (unsigned half = sum_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) bias_gradient[channel] = sums[0];
}

struct four_words {
  std::uint32_t word[4];
};

// philox_key without std::array, whose functions are those of the host.
struct draw_key {
  std::uint32_t counter_2, counter_3, key_0, key_1;
};

// philox_rounds of ops/random.cpp.
__device__ four_words philox_words(draw_key key, std::uint64_t block) {
  auto c0 = static_cast<std::uint32_t>(block), c1 = static_cast<std::uint32_t>(block >> 32);
  std::uint32_t c2 = key.counter_2, c3 = key.counter_3;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key.key_0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key.key_1;
    c3 = static_cast<std::uint32_t>(p0);
    key.key_0 += 0x9E3779B9;
    key.key_1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

// A thread draws the four values of a block.
__global__ void draw_mask_kernel(
    draw_key key, std::uint64_t dropped_below, float kept, float* mask, std::int64_t count) {
  for (auto first = 4 * first_index<std::int64_t>(); first < count;
       first += 4 * grid_stride<std::int64_t>()) {
    const four_words words = philox_words(key, static_cast<std::uint64_t>(first / 4));
    for (std::int64_t j = 0; j < 4 && first + j < count; ++j)
      mask[first + j] = words.word[j] >= dropped_below ? kept : 0.0F;
  }
}

template <class Index>
__global__ void copy_rows_kernel(Index count,
                                 Index width,
                                 float* to,
                                 std::int64_t to_stride,
                                 const float* from,
                                 std::int64_t from_stride) {
  for (auto i = first_index<Index>(); i < count; i += grid_stride<Index>()) {
    const std::int64_t row = i / width, column = i % width;
    to[row * to_stride + column] = from[row * from_stride + column];
  }
}

struct pool_window {
  int height, width, output_height, output_width;
  int kernel_height, kernel_width, stride_height, stride_width, padding;
};

// Whether the value at (row, column) is the first in the window of (output row, output column) to
// equal `maximum`, as it does itself.
__device__ bool is_first(const pool_window& w,
                         const float* plane,
                         int output_row,
                         int output_column,
                         int row,
                         int column,
                         float maximum) {
  const int left = output_column * w.stride_width - w.padding;
  const int begin = max(left, 0), end = min(left + w.kernel_width, w.width);
  for (int r = max(output_row * w.stride_height - w.padding, 0); r <= row; ++r) {
    const int stop = r < row ? end : column;
    for (int c = begin; c < stop; ++c)
      if (plane[r * w.width + c] == maximum) return false;
  }
  return true;
}

// Where the windows begin that contain place `at`: [first, last].
__device__ int first_window(int at, int padding, int kernel, int stride) {
  const int beyond = at + padding - kernel; // the last place before a window that contains `at`
  return beyond < 0 ? 0 : beyond / stride + 1;
}

__device__ int last_window(int at, int padding, int stride, int windows) {
  return min((at + padding) / stride, windows - 1);
}

// Each value gathers from the windows in which it is the maximum, in their order: no atomics.
__global__ void max_pool_gradient_kernel(unsigned count,
                                         pool_window w,
                                         const float* x,
                                         const float* y,
                                         const float* y_gradient,
                                         float* x_gradient) {
  const auto width = static_cast<unsigned>(w.width), height = static_cast<unsigned>(w.height);
  for (auto i = first_index<unsigned>(); i < count; i += grid_stride<unsigned>()) {
    const int column = static_cast<int>(i % width), row = static_cast<int>(i / width % height);
    const unsigned plane = i / width / height;
    const float* const inputs = x + static_cast<std::size_t>(plane) * height * width;
    const std::size_t outputs =
        static_cast<std::size_t>(plane) * static_cast<unsigned>(w.output_height * w.output_width);
    const int last_row = last_window(row, w.padding, w.stride_height, w.output_height);
    const int last_column = last_window(column, w.padding, w.stride_width, w.output_width);
    float sum = 0.0F;
    for (int r = first_window(row, w.padding, w.kernel_height, w.stride_height); r <= last_row; ++r)
      for (int c = first_window(column, w.padding, w.kernel_width, w.stride_width);
           c <= last_column;
           ++c) {
        const std::size_t window = outputs + static_cast<unsigned>(r * w.output_width + c);
        if (x[i] == y[window] && is_first(w, inputs, r, c, row, column, y[window]))
          sum += y_gradient[window];
      }
    x_gradient[i] = sum;
  }
}

pool_window window_of(const pooling_options& o) {
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  return {narrow(o.input.height),
          narrow(o.input.width),
          narrow(o.output.height),
          narrow(o.output.width),
          narrow(o.kernel_height),
          narrow(o.kernel_width),
          narrow(o.stride_height),
          narrow(o.stride_width),
          narrow(o.padding)};
}

} // namespace

void check_built_for_device() {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&draw_mask_kernel)),
        "cudaFuncGetAttributes");
}

void add_bias(cudaStream_t on, const image_shape& s, const float* bias, float* y) {
  const std::int64_t count = s.elements(), pixels = s.height * s.width;
  const auto with = [&](auto* kernel) {
    run("add_bias", on, count, kernel, count, s.channels, pixels, bias, y);
  };
  fits_32_bits(count) ? with(add_bias_kernel<std::uint32_t>) : with(add_bias_kernel<std::int64_t>);
}

void bias_gradient(cudaStream_t on,
                   const image_shape& s,
                   const float* y_gradient,
                   float* bias_gradient) {
  if (s.channels <= 0) return;
  const auto blocks = static_cast<unsigned>(s.channels);
  const std::int64_t pixels = s.height * s.width;
  if (fits_32_bits(s.elements()))
    bias_gradient_kernel<std::uint32_t>
        <<<blocks, sum_threads, 0, on>>>(static_cast<std::uint32_t>(s.n),
                                         static_cast<std::uint32_t>(pixels),
                                         y_gradient,
                                         bias_gradient);
  else
    bias_gradient_kernel<std::int64_t>
        <<<blocks, sum_threads, 0, on>>>(s.n, pixels, y_gradient, bias_gradient);
  check(cudaGetLastError(), "bias_gradient");
}

void activate(cudaStream_t on, const activation& a, const float* x, float* y, std::int64_t count) {
  with_function(a, [&](const auto& f) { map("activate", on, f, x, y, count); });
}

void activation_gradient(cudaStream_t on,
                         const activation& a,
                         const float* y,
                         const float* y_gradient,
                         float* x_gradient,
                         std::int64_t count) {
  with_function(a, [&](const auto& f) {
    zip("activation_gradient", on, f, y, y_gradient, x_gradient, count);
  });
}

void add(cudaStream_t on, const float* a, const float* b, float* sum, std::int64_t count) {
  zip("add", on, sum_of{}, a, b, sum, count);
}

void multiply(cudaStream_t on, const float* a, const float* b, float* product, std::int64_t count) {
  zip("multiply", on, product_of{}, a, b, product, count);
}

void draw_mask(
    cudaStream_t on, const random_key& key, float probability, float* mask, std::int64_t count) {
  const philox_key words = mixed(key);
  const draw_key drawn{words.counter_high[0], words.counter_high[1], words.key[0], words.key[1]};
  const double scaled = std::ldexp(static_cast<double>(probability), 32);
  const auto dropped_below = static_cast<std::uint64_t>(scaled); // 2^32 drops everything
  const float kept = probability < 1.0F ? 1.0F / (1.0F - probability) : 0.0F;
  const std::int64_t blocks = count / 4 + (count % 4 != 0 ? 1 : 0);
  run("draw_mask", on, blocks, draw_mask_kernel, drawn, dropped_below, kept, mask, count);
}

void copy_rows(cudaStream_t on,
               float* to,
               std::int64_t to_stride,
               const float* from,
               std::int64_t from_stride,
               std::int64_t width,
               std::int64_t rows) {
  const std::int64_t count = width * rows;
  const auto with = [&](auto* kernel) {
    run("copy_rows", on, count, kernel, count, width, to, to_stride, from, from_stride);
  };
  fits_32_bits(count) ? with(copy_rows_kernel<std::uint32_t>)
                      : with(copy_rows_kernel<std::int64_t>);
}

void max_pool_gradient(cudaStream_t on,
                       const pooling_options& o,
                       const float* x,
                       const float* y,
                       const float* y_gradient,
                       float* x_gradient) {
  const std::int64_t count = o.input.elements();
  run("max_pool_gradient",
      on,
      count,
      max_pool_gradient_kernel,
      count,
      window_of(o),
      x,
      y,
      y_gradient,
      x_gradient);
}

} // namespace troupe::gpu::cuda::launch

// A device without a GPU: memory of its own, in which a value of the host has no business, and
// kernels that are loops over the definitions of the layers.
#pragma once

#include "gpu/device.hpp"
#include "ops/codec.hpp"
#include "ops/error.hpp"
#include "ops/random.hpp"

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::test {

class host_device final : public gpu::device {
public:
  // Fails at the n-th call that computes or allocates from now on, from 0.
  void fail_at(int call) { calls_left_ = call; }

  // As after an error that a context does not survive.
  void fail_from(int call) {
    calls_left_ = call;
    for_good_ = true;
  }

  [[nodiscard]] std::size_t bytes_in_use() const { return *in_use_; }

  [[nodiscard]] int uploads() const { return uploads_; }

  [[nodiscard]] std::int64_t floats_downloaded() const { return floats_downloaded_; }

  [[nodiscard]] std::string name() const override { return "host"; }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    count();
    const auto data = std::make_shared<std::vector<std::byte>>(bytes);
    const auto at = reinterpret_cast<std::uintptr_t>(data->data());
    (*memory_)[at] = bytes;
    *in_use_ += bytes;
    return {data->data(), [data, memory = memory_, used = in_use_, at, bytes](std::byte*) {
              memory->erase(at);
              *used -= bytes;
            }};
  }

  void upload(float* to, const float* from, std::int64_t floats) override {
    ++uploads_;
    check(to, floats);
    refuse(from);
    std::copy_n(from, floats, to);
  }

  void download(float* to, const float* from, std::int64_t floats) override {
    floats_downloaded_ += floats;
    refuse(to);
    check(from, floats);
    std::copy_n(from, floats, to);
  }

  std::unique_ptr<gpu::convolution> make_convolution(const gpu::convolution_options& o) override;
  std::unique_ptr<gpu::pooling> make_pooling(const gpu::pooling_options& o) override;
  std::unique_ptr<gpu::normalisation> make_normalisation(const gpu::image_shape& x,
                                                         float epsilon) override;

  void
  matrix_product(const gpu::matrix_shape& s, const float* a, const float* b, float* c) override {
    count();
    check(a, s.m * s.k);
    check(b, s.k * s.n);
    check(c, s.m * s.n);
    for (std::int64_t i = 0; i < s.m; ++i)
      for (std::int64_t j = 0; j < s.n; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < s.k; ++k)
          sum += double{a[s.transpose_a ? k * s.m + i : i * s.k + k]} *
                 b[s.transpose_b ? j * s.k + k : k * s.n + j];
        c[i * s.n + j] = static_cast<float>(sum);
      }
  }

  void add_bias(const gpu::image_shape& s, const float* bias, float* y) override {
    count();
    check(bias, s.channels);
    check(y, s.elements());
    const std::int64_t pixels = s.height * s.width;
    for (std::int64_t i = 0; i < s.elements(); ++i)
      y[i] += bias[i / pixels % s.channels];
  }

  void bias_gradient(const gpu::image_shape& s, const float* dy, float* db) override {
    count();
    check(dy, s.elements());
    check(db, s.channels);
    std::vector<double> sums(static_cast<std::size_t>(s.channels));
    const std::int64_t pixels = s.height * s.width;
    for (std::int64_t i = 0; i < s.elements(); ++i)
      sums[static_cast<std::size_t>(i / pixels % s.channels)] += dy[i];
    for (std::size_t c = 0; c < sums.size(); ++c)
      db[c] = static_cast<float>(sums[c]);
  }

  void activate(const gpu::activation& a, const float* x, float* y, std::int64_t n) override {
    each(n, {x}, {y}, [&](std::int64_t i) { y[i] = value(a, x[i]); });
  }

  void activation_gradient(const gpu::activation& a,
                           const float* y,
                           const float* dy,
                           float* dx,
                           std::int64_t n) override {
    each(n, {y, dy}, {dx}, [&](std::int64_t i) { dx[i] = slope(a, y[i]) * dy[i]; });
  }

  void add(const float* a, const float* b, float* sum, std::int64_t n) override {
    each(n, {a, b}, {sum}, [&](std::int64_t i) { sum[i] = a[i] + b[i]; });
  }

  void multiply(const float* a, const float* b, float* product, std::int64_t n) override {
    each(n, {a, b}, {product}, [&](std::int64_t i) { product[i] = a[i] * b[i]; });
  }

  void draw_mask(const random_key& key, float probability, float* mask, std::int64_t n) override {
    const auto dropped_below = static_cast<std::uint64_t>(std::ldexp(double{probability}, 32));
    const float kept = probability < 1.0F ? 1.0F / (1.0F - probability) : 0.0F;
    each(n, {}, {mask}, [&](std::int64_t i) {
      const auto words = philox(key, static_cast<std::uint64_t>(i / 4));
      mask[i] = words[static_cast<std::size_t>(i % 4)] >= dropped_below ? kept : 0.0F;
    });
  }

  void copy_rows(float* to,
                 std::int64_t to_stride,
                 const float* from,
                 std::int64_t from_stride,
                 std::int64_t width,
                 std::int64_t rows) override {
    count();
    check(to, (rows - 1) * to_stride + width);
    check(from, (rows - 1) * from_stride + width);
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(from + r * from_stride, width, to + r * to_stride);
  }

  void update(const optimizer& o,
              float learning_rate,
              std::int64_t step,
              const gpu::update_range& r) override {
    count();
    check(r.parameters, r.count);
    check(r.gradient, r.count);
    check(r.new_parameters, r.count);
    if (r.new_parameters < r.parameters + r.count && r.parameters < r.new_parameters + r.count)
      throw std::logic_error("new parameters overwrite the old ones");
    const auto size = static_cast<std::size_t>(r.count);
    const auto state = std::span(r.state).first(static_cast<std::size_t>(slots(o)));
    for (const float* slot : state)
      check(slot, r.count);
    troupe::update(o,
                   learning_rate,
                   step,
                   {r.parameters, size},
                   {r.gradient, size},
                   {r.new_parameters, size},
                   state);
  }

  // By the CPU's codecs, whose payloads have two words before the body.
  void encode_halves(gpu::half_format format,
                     const float* values,
                     float* halves,
                     std::int64_t n) override {
    count();
    check(values, n);
    check(halves, (n + 1) / 2);
    const auto codec = codec_of(format);
    const tensor payload = codec->encode({values, static_cast<std::size_t>(n)}, {}, {});
    std::copy_n(payload.data() + 2, (n + 1) / 2, halves);
  }

  void decode_halves(gpu::half_format format,
                     const float* halves,
                     float* values,
                     std::int64_t n) override {
    count();
    check(halves, (n + 1) / 2);
    check(values, n);
    const auto codec = codec_of(format);
    const std::span<float> to(values, static_cast<std::size_t>(n));
    const tensor zeros = codec->encode(std::vector<float>(to.size()), {}, {});
    std::vector<float> words(zeros.values().begin(), zeros.values().end());
    std::copy_n(halves, (n + 1) / 2, words.begin() + 2);
    codec->decode(make_tensor(zeros.dims(), words), to);
  }

  // Row by row by the CPU's own function, with the class weights that lie here.
  void evaluate_loss(const loss& l,
                     const gpu::loss_rows& r,
                     gpu::row_loss* each,
                     float* gradient) override {
    count();
    const auto width = static_cast<std::size_t>(r.outputs);
    loss here = l;
    auto* const softmax = std::get_if<softmax_cross_entropy>(&here);
    const std::size_t targets = softmax != nullptr ? 1 : width;
    check(r.logits, r.n * r.outputs);
    check(r.targets, r.n * static_cast<std::int64_t>(targets));
    check(each, r.n * static_cast<std::int64_t>(sizeof(gpu::row_loss) / sizeof(float)));
    if (gradient != nullptr) check(gradient, r.n * r.outputs);
    if (softmax != nullptr && !softmax->class_weights.empty()) {
      check(r.class_weights, r.outputs);
      softmax->class_weights.assign(r.class_weights, r.class_weights + r.outputs);
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(r.n); ++i) {
      const loss_value value = troupe::evaluate_loss(
          here,
          {r.logits + i * width, width},
          {r.targets + i * targets, targets},
          1,
          r.normaliser,
          {gradient != nullptr ? gradient + i * width : nullptr, gradient != nullptr ? width : 0});
      each[i] = {value.sum, static_cast<double>(value.correct)};
    }
  }

  void count() {
    const bool now = calls_left_ == 0;
    if (!now || !for_good_) --calls_left_;
    if (now) throw error({.what = "the device is lost", .kind = error_kind::environment});
  }

  // Throws unless all of it is memory of this device.
  void check(const void* data, std::int64_t floats) const {
    const auto at = reinterpret_cast<std::uintptr_t>(data);
    auto found = memory_->upper_bound(at);
    const bool is_here =
        found != memory_->begin() &&
        at + static_cast<std::size_t>(floats) * sizeof(float) <= (--found)->first + found->second;
    if (!is_here) throw std::logic_error("a kernel was given what is no memory of the device");
  }

private:
  void refuse(const void* data) const {
    const auto at = reinterpret_cast<std::uintptr_t>(data);
    auto found = memory_->upper_bound(at);
    if (found != memory_->begin() && at < (--found)->first + found->second)
      throw std::logic_error("memory of the device was taken for the host's");
  }

  void each(std::int64_t n,
            const std::vector<const float*>& reads,
            const std::vector<float*>& writes,
            const std::function<void(std::int64_t)>& f) {
    count();
    for (const float* p : reads)
      check(p, n);
    for (const float* p : writes)
      check(p, n);
    for (std::int64_t i = 0; i < n; ++i)
      f(i);
  }

  static std::shared_ptr<const codec> codec_of(gpu::half_format format) {
    return make_codec(format == gpu::half_format::fp16 ? "fp16" : "bf16");
  }

  static float value(const gpu::activation& a, float x) {
    switch (a.kind) {
    case gpu::activation_kind::sigmoid:
      return 1.0F / (1.0F + std::exp(-x));
    case gpu::activation_kind::tanh:
      return std::tanh(x);
    default:
      return x > 0 ? x : a.slope * x;
    }
  }

  static float slope(const gpu::activation& a, float y) {
    switch (a.kind) {
    case gpu::activation_kind::sigmoid:
      return y * (1 - y);
    case gpu::activation_kind::tanh:
      return 1 - y * y;
    default:
      return y > 0 ? 1.0F : a.slope;
    }
  }

  int calls_left_ = -1;
  bool for_good_ = false; // fails from then on
  int uploads_ = 0;
  std::int64_t floats_downloaded_ = 0;
  // By address: bytes. Buffers may outlive the device.
  std::shared_ptr<std::map<std::uintptr_t, std::size_t>> memory_ =
      std::make_shared<std::map<std::uintptr_t, std::size_t>>();
  std::shared_ptr<std::size_t> in_use_ = std::make_shared<std::size_t>(0);
};

namespace host_kernels {

// Calls f(input place, weight place, output place) for each product of a convolution.
template <class F>
void products(const gpu::convolution_options& o, F f) {
  const auto &x = o.input, &y = o.output;
  const std::int64_t in_group = x.channels / o.groups, out_group = y.channels / o.groups;
  for (std::int64_t n = 0; n < y.n; ++n)
    for (std::int64_t c = 0; c < y.channels; ++c)
      for (std::int64_t row = 0; row < y.height; ++row)
        for (std::int64_t column = 0; column < y.width; ++column)
          for (std::int64_t i = 0; i < in_group; ++i)
            for (std::int64_t kr = 0; kr < o.kernel; ++kr)
              for (std::int64_t kc = 0; kc < o.kernel; ++kc) {
                const std::int64_t r = row * o.stride - o.padding + kr;
                const std::int64_t q = column * o.stride - o.padding + kc;
                if (r < 0 || r >= x.height || q < 0 || q >= x.width) continue;
                const std::int64_t channel = c / out_group * in_group + i;
                f(((n * x.channels + channel) * x.height + r) * x.width + q,
                  ((c * in_group + i) * o.kernel + kr) * o.kernel + kc,
                  ((n * y.channels + c) * y.height + row) * y.width + column);
              }
}

class convolution final : public gpu::convolution {
public:
  convolution(host_device& on, const gpu::convolution_options& o)
      : on_(on),
        o_(o),
        weights_(o.output.channels * (o.input.channels / o.groups) * o.kernel * o.kernel) {}

  [[nodiscard]] std::size_t scratch_bytes() const override { return 40; }

  void forward(const float* x, const float* w, float* y, void* scratch) override {
    check(x, w, y, scratch);
    run(y, o_.output.elements(), [&](auto& sums) {
      products(o_, [&](auto i, auto k, auto j) { sums[j] += double{x[i]} * w[k]; });
    });
  }

  void weight_gradient(const float* x, const float* dy, float* dw, void* scratch) override {
    check(x, dw, dy, scratch);
    run(dw, weights_, [&](auto& sums) {
      products(o_, [&](auto i, auto k, auto j) { sums[k] += double{x[i]} * dy[j]; });
    });
  }

  void input_gradient(const float* dy, const float* w, float* dx, void* scratch) override {
    check(dx, w, dy, scratch);
    run(dx, o_.input.elements(), [&](auto& sums) {
      products(o_, [&](auto i, auto k, auto j) { sums[i] += double{dy[j]} * w[k]; });
    });
  }

private:
  void check(const float* x, const float* w, const float* y, void* scratch) {
    on_.count();
    on_.check(x, o_.input.elements());
    on_.check(w, weights_);
    on_.check(y, o_.output.elements());
    on_.check(scratch, 10);
    std::memset(scratch, 0x7F, scratch_bytes());
  }

  template <class F>
  static void run(float* to, std::int64_t count, F f) {
    struct {
      std::vector<double> values;

      double& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
    } sums{std::vector<double>(static_cast<std::size_t>(count))};

    f(sums);
    for (std::int64_t i = 0; i < count; ++i)
      to[i] = static_cast<float>(sums[i]);
  }

  host_device& on_;
  gpu::convolution_options o_;
  std::int64_t weights_;
};

class pooling final : public gpu::pooling {
public:
  pooling(host_device& on, const gpu::pooling_options& o) : on_(on), o_(o) {}

  void forward(const float* x, float* y) override {
    on_.count();
    on_.check(x, o_.input.elements());
    on_.check(y, o_.output.elements());
    windows([&](std::int64_t to, const std::vector<std::int64_t>& from) {
      if (o_.method == gpu::pooling_method::maximum) {
        y[to] = x[largest(x, from)];
        return;
      }
      double sum = 0;
      for (const std::int64_t i : from)
        sum += x[i];
      y[to] = static_cast<float>(sum / area());
    });
  }

  void input_gradient(const float* x, const float* y, const float* dy, float* dx) override {
    on_.count();
    on_.check(x, o_.input.elements());
    on_.check(y, o_.output.elements());
    on_.check(dy, o_.output.elements());
    on_.check(dx, o_.input.elements());
    std::fill_n(dx, o_.input.elements(), 0.0F);
    windows([&](std::int64_t to, const std::vector<std::int64_t>& from) {
      if (o_.method == gpu::pooling_method::maximum)
        dx[largest(x, from)] += dy[to];
      else
        for (const std::int64_t i : from)
          dx[i] += static_cast<float>(dy[to] / area());
    });
  }

private:
  [[nodiscard]] double area() const {
    return static_cast<double>(o_.kernel_height * o_.kernel_width);
  }

  static std::int64_t largest(const float* x, const std::vector<std::int64_t>& of) {
    std::int64_t out = of.front();
    for (const std::int64_t i : of)
      if (x[i] > x[out]) out = i;
    return out;
  }

  // Calls f(output place, places of its window).
  template <class F>
  void windows(F f) const {
    const auto &x = o_.input, &y = o_.output;
    for (std::int64_t to = 0; to < y.elements(); ++to) {
      const std::int64_t image = to / (y.height * y.width);
      const std::int64_t top = to / y.width % y.height * o_.stride_height - o_.padding;
      const std::int64_t left = to % y.width * o_.stride_width - o_.padding;
      std::vector<std::int64_t> from;
      for (std::int64_t r = top; r < top + o_.kernel_height; ++r)
        for (std::int64_t c = left; c < left + o_.kernel_width; ++c)
          if (r >= 0 && r < x.height && c >= 0 && c < x.width)
            from.push_back((image * x.height + r) * x.width + c);
      f(to, from);
    }
  }

  host_device& on_;
  gpu::pooling_options o_;
};

class normalisation final : public gpu::normalisation {
public:
  normalisation(host_device& on, const gpu::image_shape& s, float epsilon)
      : on_(on), s_(s), epsilon_(epsilon) {}

  void forward(const float* x,
               const float* scale,
               const float* shift,
               float* y,
               float* mean,
               float* variance,
               float* saved) override {
    begin({x, y}, {scale, shift, mean, variance});
    on_.check(saved, 2 * s_.channels);
    for (std::int64_t c = 0; c < s_.channels; ++c) {
      const double average = sum(c, [&](auto i) { return double{x[i]}; }) / count();
      const double squares = sum(c, [&](auto i) { return (x[i] - average) * (x[i] - average); });
      mean[c] = saved[c] = static_cast<float>(average);
      variance[c] = static_cast<float>(squares / (count() - 1));
      saved[s_.channels + c] = static_cast<float>(1 / std::sqrt(squares / count() + epsilon_));
      for_each(c, [&](auto i) {
        y[i] = scale[c] * (x[i] - saved[c]) * saved[s_.channels + c] + shift[c];
      });
    }
  }

  void evaluate(const float* x,
                const float* scale,
                const float* shift,
                const float* mean,
                const float* variance,
                float* y) override {
    begin({x, y}, {scale, shift, mean, variance});
    for (std::int64_t c = 0; c < s_.channels; ++c)
      for_each(c, [&](auto i) {
        y[i] = scale[c] * (x[i] - mean[c]) / std::sqrt(variance[c] + epsilon_) + shift[c];
      });
  }

  void gradients(const float* x,
                 const float* dy,
                 const float* scale,
                 const float* saved,
                 float* dx,
                 float* dscale,
                 float* dshift) override {
    begin({x, dy, dx}, {scale, dscale, dshift});
    on_.check(saved, 2 * s_.channels);
    for (std::int64_t c = 0; c < s_.channels; ++c) {
      const double inverse = saved[s_.channels + c];
      const auto normal = [&](auto i) { return (x[i] - double{saved[c]}) * inverse; };
      const double by_scale = sum(c, [&](auto i) { return dy[i] * normal(i); });
      const double by_shift = sum(c, [&](auto i) { return double{dy[i]}; });
      dscale[c] = static_cast<float>(by_scale);
      dshift[c] = static_cast<float>(by_shift);
      for_each(c, [&](auto i) {
        dx[i] = static_cast<float>(scale[c] * inverse *
                                   (dy[i] - (by_shift + normal(i) * by_scale) / count()));
      });
    }
  }

private:
  void begin(const std::vector<const float*>& images, const std::vector<const float*>& channels) {
    on_.count();
    for (const float* p : images)
      on_.check(p, s_.elements());
    for (const float* p : channels)
      on_.check(p, s_.channels);
  }

  [[nodiscard]] double count() const { return static_cast<double>(s_.n * s_.height * s_.width); }

  template <class F>
  void for_each(std::int64_t channel, F f) const {
    const std::int64_t pixels = s_.height * s_.width;
    for (std::int64_t n = 0; n < s_.n; ++n)
      for (std::int64_t p = 0; p < pixels; ++p)
        f((n * s_.channels + channel) * pixels + p);
  }

  template <class F>
  [[nodiscard]] double sum(std::int64_t channel, F f) const {
    double out = 0;
    for_each(channel, [&](auto i) { out += f(i); });
    return out;
  }

  host_device& on_;
  gpu::image_shape s_;
  float epsilon_;
};

} // namespace host_kernels

inline std::unique_ptr<gpu::convolution>
host_device::make_convolution(const gpu::convolution_options& o) {
  return std::make_unique<host_kernels::convolution>(*this, o);
}

inline std::unique_ptr<gpu::pooling> host_device::make_pooling(const gpu::pooling_options& o) {
  return std::make_unique<host_kernels::pooling>(*this, o);
}

inline std::unique_ptr<gpu::normalisation>
host_device::make_normalisation(const gpu::image_shape& x, float epsilon) {
  return std::make_unique<host_kernels::normalisation>(*this, x, epsilon);
}

} // namespace troupe::test

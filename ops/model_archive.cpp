// The JSON form of a model:
//   {"troupe_model": 1, "layers": [{"type": "conv2d", "name": "", "channels": 32, ...}, ...]}
// Every option is written. A reader refuses unknown types and options, so that an old program does
// not silently build another model.
#include "ops/error.hpp"
#include "ops/model.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace troupe {

namespace {

using json = nlohmann::ordered_json;

constexpr int archive_version = 1;

constexpr const char* initialiser_names[] = {
    "torch_default", "kaiming_normal", "xavier_uniform", "zeros"};

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw error({.what = what,
               .where = where,
               .help = "see docs/architecture.md for what a model may contain"});
}

// One description of each layer's options, used in both directions.
struct writer {
  json& out;

  template <class T>
  void field(const char* name, const T& value) {
    out[name] = value;
  }

  void field(const char* name, initialiser value) {
    out[name] = initialiser_names[static_cast<int>(value)];
  }

  void field(const char* name, const std::vector<layer>& layers);
};

struct reader {
  const json& in;
  std::string where;
  std::size_t used = 2; // "type" and "name"

  const json& at(const char* name) {
    const auto found = in.find(name);
    if (found == in.end()) refuse(where, fmt::format("the option '{}' is missing", name));
    ++used;
    return *found;
  }

  template <class T>
  void field(const char* name, T& value) {
    try {
      value = at(name).get<T>();
    } catch (const json::exception& e) {
      refuse(where, fmt::format("the option '{}' cannot be read: {}", name, e.what()));
    }
  }

  void field(const char* name, initialiser& value) {
    std::string text;
    field(name, text);
    for (int i = 0; i < 4; ++i)
      if (text == initialiser_names[i]) {
        value = static_cast<initialiser>(i);
        return;
      }
    refuse(where, fmt::format("'{}' is not an initialiser", text));
  }

  void field(const char* name, std::vector<layer>& layers);
};

void describe(auto& f, auto& o, const conv2d*) {
  f.field("channels", o.channels);
  f.field("kernel", o.kernel);
  f.field("stride", o.stride);
  f.field("padding", o.padding);
  f.field("groups", o.groups);
  f.field("bias", o.bias);
  f.field("init", o.init);
}

void describe(auto& f, auto& o, const dense*) {
  f.field("outputs", o.outputs);
  f.field("bias", o.bias);
  f.field("init", o.init);
}

void describe_window(auto& f, auto& o) {
  f.field("kernel", o.kernel);
  f.field("stride", o.stride);
  f.field("padding", o.padding);
}

void describe(auto& f, auto& o, const max_pool2d*) {
  describe_window(f, o);
}

void describe(auto& f, auto& o, const average_pool2d*) {
  describe_window(f, o);
}

void describe(auto& f, auto& o, const batch_norm*) {
  f.field("epsilon", o.epsilon);
  f.field("momentum", o.momentum);
}

void describe(auto& f, auto& o, const dropout*) {
  f.field("probability", o.probability);
}

void describe(auto& f, auto& o, const leaky_relu*) {
  f.field("slope", o.slope);
}

void describe(auto& f, auto& o, const residual*) {
  f.field("body", o.body);
  f.field("shortcut", o.shortcut);
  f.field("body_name", o.body_name);
  f.field("shortcut_name", o.shortcut_name);
  f.field("relu_after", o.relu_after);
}

void describe(auto&, auto&, const void*) {} // no options

constexpr const char* type_names[] = {"conv2d",
                                      "dense",
                                      "max_pool2d",
                                      "average_pool2d",
                                      "global_average_pool",
                                      "batch_norm",
                                      "dropout",
                                      "flatten",
                                      "relu",
                                      "leaky_relu",
                                      "sigmoid",
                                      "tanh",
                                      "residual"};
static_assert(std::size(type_names) == std::variant_size_v<layer_options>);

json write(const layer& l) {
  json out;
  out["type"] = type_names[l.options.index()];
  out["name"] = l.name;
  writer w{out};
  std::visit([&]<class Options>(const Options& o) { describe(w, o, &o); }, l.options);
  return out;
}

json write(const std::vector<layer>& layers) {
  auto out = json::array();
  for (const auto& l : layers)
    out.push_back(write(l));
  return out;
}

template <std::size_t Index = 0>
layer_options default_options(std::size_t index) {
  if constexpr (Index < std::variant_size_v<layer_options>)
    return index == Index ? layer_options(std::in_place_index<Index>)
                          : default_options<Index + 1>(index);
  else
    return relu{};
}

layer read(const json& in, const std::string& where) {
  if (!in.is_object() || !in.contains("type") || !in["type"].is_string() || !in.contains("name") ||
      !in["name"].is_string())
    refuse(where, "a layer is an object with a type and a name");
  const auto type = in["type"].get<std::string>();
  std::size_t kind = 0;
  while (kind < std::size(type_names) && type != type_names[kind])
    ++kind;
  if (kind == std::size(type_names))
    refuse(where, fmt::format("there is no layer type '{}'", type));
  auto options = default_options(kind);
  reader r{in, where + " " + type};
  std::visit([&](auto& o) { describe(r, o, &o); }, options);
  if (r.used != in.size()) refuse(r.where, "it has options that this version does not know");
  layer out(relu{}, in["name"].get<std::string>());
  out.options = std::move(options);
  return out;
}

std::vector<layer> read_all(const json& in, const std::string& where) {
  if (!in.is_array()) refuse(where, "layers are a list");
  std::vector<layer> out;
  for (std::size_t i = 0; i < in.size(); ++i)
    out.push_back(read(in[i], fmt::format("{}[{}]", where, i)));
  return out;
}

void writer::field(const char* name, const std::vector<layer>& layers) {
  out[name] = write(layers);
}

void reader::field(const char* name, std::vector<layer>& layers) {
  layers = read_all(at(name), where + "." + name);
}

} // namespace

std::string to_json(const model& m) {
  json out;
  out["troupe_model"] = archive_version;
  out["layers"] = write(m.layers);
  return out.dump(1);
}

model model_from_json(const std::string& text) {
  const auto in = json::parse(text, nullptr, false);
  if (!in.is_object() || !in.contains("troupe_model") || !in.contains("layers"))
    refuse("model", "this is not a model in JSON");
  if (in["troupe_model"] != archive_version) refuse("model", "it was written by another version");
  return {read_all(in["layers"], "layers")};
}

} // namespace troupe

#include "gpu/open_device.hpp"

#include "ops/error.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <mutex>
#include <utility>

namespace troupe::gpu {

namespace {

struct loaded {
  const cuda_library* library = nullptr;
  std::string why_not; // empty: it is here
  std::string help = "see `troupe doctor`, or compute on the CPU";
};

// Beside an installed program, and where it was built.
std::vector<std::string> places_of_library() {
  std::vector<std::string> out;
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (!unknown)
    for (const char* beside : {"libtroupe_cuda.so", "../lib/troupe/libtroupe_cuda.so"})
      out.push_back((program.parent_path() / beside).string());
#ifdef TROUPE_CUDA_LIBRARY
  out.emplace_back(TROUPE_CUDA_LIBRARY);
#endif
  return out;
}

loaded load(const std::string& path) {
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {nullptr, ::dlerror()};
  const auto found = reinterpret_cast<const cuda_library* (*)()>(::dlsym(handle, "troupe_cuda"));
  if (found == nullptr) return {nullptr, path + " is no library of Troupe"};
  if (std::string(found()->build) != TROUPE_BUILD)
    return {nullptr,
            fmt::format("{} is of {}, this program of {}", path, found()->build, TROUPE_BUILD),
            "build both from the same sources"};
  return {found(), ""}; // never unloaded: devices may live to the end
}

const loaded& the_library() {
  static const loaded once = [] {
    std::error_code ignored;
    for (const std::string& path : places_of_library())
      if (std::filesystem::exists(path, ignored)) return load(path);
    const bool has_gpu = std::filesystem::exists("/dev/nvidia0", ignored);
    return loaded{
        nullptr,
        fmt::format("{}, and Troupe was built without CUDA",
                    has_gpu ? "there is an NVIDIA device" : "no NVIDIA device"),
        "build with -DTROUPE_CUDA=ON where CUDA 13 and cuDNN 9 are, or compute on the CPU"};
  }();
  return once;
}

std::shared_ptr<device> open_cuda(int index) {
  const loaded& cuda = the_library();
  if (cuda.library != nullptr) return cuda.library->open(index);
  throw error(
      {.what = fmt::format("cuda:{} cannot be used", index),
       .where = "CUDA",
       .why = cuda.why_not,
       .help = cuda.help,
       .kind = error_kind::environment});
}

struct kinds {
  std::mutex mutex;
  std::map<std::string, device_opener> open{{"cuda", open_cuda}};
};

kinds& known() {
  static kinds all;
  return all;
}

} // namespace

device_name parse_device_name(const std::string& text, const std::string& where) {
  const auto colon = std::min(text.find(':'), text.size());
  device_name out{text.substr(0, colon)};
  const char* const end = text.data() + text.size();
  const char* const digits = text.data() + std::min(colon + 1, text.size());
  const auto [last, fault] = std::from_chars(digits, end, out.index);
  const bool is_number =
      colon == text.size() || (fault == std::errc{} && last == end && out.index >= 0);
  const std::lock_guard lock(known().mutex);
  if (is_number && known().open.contains(out.kind)) return out;
  std::vector<std::string> kinds;
  for (const auto& [kind, open] : known().open)
    kinds.push_back(kind + ":0");
  throw error({.what = fmt::format("'{}' is no device", text.substr(0, 40)),
               .where = where,
               .why = fmt::format("kind and number: {}", fmt::join(kinds, ", ")),
               .help = "see what `troupe doctor` lists",
               .kind = error_kind::request});
}

std::shared_ptr<device> open_device(const std::string& name) {
  const auto [kind, index] = parse_device_name(name, "device");
  device_opener open;
  {
    const std::lock_guard lock(known().mutex);
    open = known().open.at(kind);
  }
  return open(index);
}

void add_device_kind(const std::string& kind, device_opener open) {
  const std::lock_guard lock(known().mutex);
  known().open[kind] = std::move(open);
}

std::vector<device_description> cuda_devices() {
  const auto* library = the_library().library;
  return library == nullptr ? std::vector<device_description>() : library->devices();
}

std::string why_no_cuda_device() {
  const loaded& cuda = the_library();
  return cuda.library == nullptr ? cuda.why_not : cuda.library->why_none();
}

} // namespace troupe::gpu

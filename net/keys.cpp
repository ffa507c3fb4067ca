#include "net/keys.hpp"

#include "net/trust.hpp"
#include "ops/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace troupe::net {

namespace {

[[noreturn]] void throw_system(const std::string& what, const std::string& path, int code) {
  throw error({.what = what,
               .where = path,
               .why = std::generic_category().message(code),
               .help = "",
               .kind = error_kind::environment});
}

// The mode is the file's from its first moment on.
void write_new(const std::string& path, const std::string& text, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) throw_system("cannot write a key", path, errno);
  const auto written = ::write(file, text.data(), text.size());
  const int code = written == static_cast<ssize_t>(text.size()) ? 0 : errno;
  if (::close(file) != 0 || code != 0) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    throw_system("cannot write a key", path, code);
  }
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    for (std::string word; words >> word;)
      out.push_back(word);
  }
  return out;
}

void check_private(const std::string& path) {
  struct stat found {};

  if (::stat(path.c_str(), &found) != 0) throw_system("cannot read a secret key", path, errno);
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  std::array<char, 8> mode{};
  for (int i = 0; i < 3; ++i)
    mode[static_cast<std::size_t>(i)] =
        static_cast<char>('0' + ((found.st_mode >> (6 - 3 * i)) & 7));
  throw error({.what = "others than its owner can read a secret key",
               .where = path,
               .why = std::string("its mode is 0") + mode.data() + "; 0600 is asked for",
               .help = "chmod 600 " + path + ", or make a new key if somebody may have read it",
               .kind = error_kind::environment});
}

std::string text_of(const std::string& path, const std::string& kind) {
  std::ifstream file(path);
  if (!file) throw_system("cannot read a " + kind + " key", path, errno);
  return {std::istreambuf_iterator<char>(file), {}};
}

key_pair parse(const std::string& text,
               const std::string& path,
               std::size_t words_wanted,
               const std::string& kind) {
  const auto words = words_of(text);
  bool good = words.size() == words_wanted;
  for (std::size_t i = 1; good && i < words.size(); ++i)
    good = is_key(words[i]);
  if (!good)
    throw error(
        {.what = "this is no file of a " + kind + " key",
         .where = path,
         .why = kind == "secret" ? "it should say NAME KEY SECRET" : "it should say NAME KEY",
         .help = "troupe keys --make NAME writes both files"});
  return {words[0], words[1], secret_text(words_wanted == 3 ? words[2] : "")};
}

} // namespace

secret_text::~secret_text() {
  volatile char* at = text_.data();
  for (std::size_t i = 0; i < text_.size(); ++i)
    at[i] = 0;
}

std::string public_file_text(const key_pair& keys) {
  return keys.name + " " + keys.public_key + "\n";
}

void write_key_files(const key_pair& keys, const std::string& folder) {
  const auto base = std::filesystem::path(folder) / keys.name;
  const std::string open = base.string() + ".public", hidden = base.string() + ".secret";
  for (const std::string& path : {open, hidden})
    if (std::filesystem::exists(path))
      throw error({.what = "there is a key '" + keys.name + "' already",
                   .where = path,
                   .why = "a key that is written over is lost",
                   .help = "choose another name, or remove both files first"});
  std::filesystem::create_directories(folder);
  write_new(hidden,
            "# Whoever reads this is " + keys.name + ": keep it to yourself.\n" + keys.name + " " +
                keys.public_key + " " + keys.secret.reveal() + "\n",
            S_IRUSR | S_IWUSR);
  write_new(open, public_file_text(keys), S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
}

key_pair parse_secret_key(const std::string& text, const std::string& path) {
  return parse(text, path, 3, "secret");
}

key_pair parse_public_key(const std::string& text, const std::string& path) {
  return parse(text, path, 2, "public");
}

key_pair read_secret_file(const std::string& path) {
  check_private(path);
  return parse_secret_key(text_of(path, "secret"), path);
}

key_pair read_public_file(const std::string& path) {
  return parse_public_key(text_of(path, "public"), path);
}

} // namespace troupe::net

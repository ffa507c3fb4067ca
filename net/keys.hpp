// A node's key: a public half that others list (net/trust.hpp), and a secret one in a file that
// only its owner may read. Texts and errors never hold the secret.
#pragma once

#include <string>

namespace troupe::net {

// Wiped when it goes.
class secret_text {
public:
  secret_text() = default;

  explicit secret_text(std::string text) : text_(std::move(text)) {}

  secret_text(const secret_text&) = default;
  secret_text& operator=(const secret_text&) = default;
  ~secret_text();

  [[nodiscard]] const std::string& reveal() const { return text_; }

private:
  std::string text_;
};

struct key_pair {
  std::string name;
  std::string public_key;
  secret_text secret;
};

// A file NAME.public: "NAME KEY"; a file NAME.secret: "NAME KEY SECRET" after a line of warning.
std::string public_file_text(const key_pair& keys);

// Writes NAME.public and NAME.secret. Throws error where one of them exists, or cannot be written.
void write_key_files(const key_pair& keys, const std::string& folder);

// The text of such a file. Throws error; `path` is for the text.
key_pair parse_secret_key(const std::string& text, const std::string& path);
key_pair parse_public_key(const std::string& text, const std::string& path);

// Throw error: unreadable, no key file, or (of a secret) a file that others can read.
key_pair read_secret_file(const std::string& path);
key_pair read_public_file(const std::string& path); // without a secret

} // namespace troupe::net

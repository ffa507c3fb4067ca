// Who may join: names, public keys, and the node numbers that each key may take. As a file a line
// each, "NAME NODES KEY", where NODES is "any" or like "0-3,7"; a line that begins with # is a
// comment. A key is 40 characters (Z85 of 32 bytes).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

struct trusted_key {
  std::string name;
  std::string key;                                            // public
  std::vector<std::pair<std::uint32_t, std::uint32_t>> nodes; // first and last of each range

  [[nodiscard]] bool may_be(std::uint32_t node) const;
  [[nodiscard]] std::string nodes_text() const;
};

class trust_list {
public:
  trust_list() = default;

  // `file` is for the texts. Throws error with every mistake of the text.
  static trust_list parse(const std::string& text, const std::string& file);

  [[nodiscard]] const std::vector<trusted_key>& all() const { return keys_; }

  [[nodiscard]] const trusted_key* find(const std::string& key) const;
  [[nodiscard]] std::string text() const; // as a file

  void allow(trusted_key one);          // instead of what had its name or its key
  bool forbid(const std::string& name); // whether there was one

private:
  std::vector<trusted_key> keys_;
};

// "any", "3" or "0-3,7". Throws error.
std::vector<std::pair<std::uint32_t, std::uint32_t>> parse_nodes(const std::string& text,
                                                                 const std::string& where);

bool is_key(const std::string& text); // 40 characters of Z85

} // namespace troupe::net

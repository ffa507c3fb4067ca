// From the text of settings to numbers. A reader gathers every mistake, so that all are told at
// once.
#pragma once

#include "cli/settings.hpp"
#include "ops/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::cli {

class value_reader {
public:
  explicit value_reader(const setting_values& values) : values_(values) {}

  std::string text(const std::string& name) const;
  bool flag(const std::string& name);
  std::int64_t whole(const std::string& name, std::int64_t least, std::int64_t most);
  double real(const std::string& name, double least, double most); // both inclusive
  std::string choice(const std::string& name, const std::vector<std::string>& known);
  std::vector<std::string> list(const std::string& name) const; // cut at commas
  std::vector<std::int64_t> whole_list(const std::string& name, std::int64_t least);

  const setting_value& value(const std::string& name) const { return values_.at(name); }

  const std::string& where(const std::string& name) const { return values_.at(name).where; }

  void add(error_text text) { wrong_.push_back(std::move(text)); }

  const std::vector<error_text>& wrong() const { return wrong_; }

private:
  const setting_values& values_;
  std::vector<error_text> wrong_;
};

std::vector<std::string> split(const std::string& text, char at); // trimmed; empty parts are kept

} // namespace troupe::cli

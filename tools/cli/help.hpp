// The texts of --help, examples first.
#pragma once

#include <memory>
#include <string>

namespace CLI {
class FormatterBase;
}

namespace troupe::cli {

std::string command_summary(const std::string& command); // one line
std::shared_ptr<CLI::FormatterBase> help_formatter(const std::string& command);

std::string version_text(); // "troupe 0.1.0"
// "troupe 0.1.0  gcc 12.2.0  oneDNN 2.6.3 avx512": the first line of every training.
std::string header_text();

} // namespace troupe::cli

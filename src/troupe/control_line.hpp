// The lines of a control channel (control_server.hpp).
#pragma once

#include "ops/error.hpp"
#include "troupe/control_server.hpp"

#include <string>

namespace troupe {

std::string request_line(const control_arguments& request);
std::string answer_line(const std::string& answer);
std::string refusal_line(const error_text& why);

control_arguments parse_request(const std::string& line); // throws error
std::string parse_answer(const std::string& line);        // throws error, the refusal among them

} // namespace troupe

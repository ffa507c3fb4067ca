#pragma once

#include <string>

namespace troupe {

// As the text of an element or the value of an attribute; control characters are left out.
std::string xml_text(const std::string& text);

} // namespace troupe

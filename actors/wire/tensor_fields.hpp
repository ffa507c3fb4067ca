// A tensor on the wire: its shape among the fields, its floats as a payload.
#pragma once

#include "net/archive.hpp"
#include "ops/tensor.hpp"

namespace troupe {

void save(net::archive_writer& a, const tensor& v);
void load(net::archive_reader& a, tensor& v); // throws net::malformed

} // namespace troupe

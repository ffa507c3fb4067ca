#include "actors/runtime/work.hpp"

namespace troupe {

const char* work_name(work_kind kind) {
  switch (kind) {
  case work_kind::bind:
    return "bind";
  case work_kind::forward:
    return "forward";
  case work_kind::backward:
    return "backward";
  case work_kind::backward_inputs:
    return "backward inputs";
  case work_kind::backward_weights:
    return "backward weights";
  case work_kind::evaluate:
    return "evaluate";
  case work_kind::read:
    return "read";
  case work_kind::sum:
    return "sum";
  case work_kind::update:
    return "update";
  case work_kind::write:
    break;
  }
  return "write";
}

const char* word_of_which(work_kind kind) {
  return kind == work_kind::sum || kind == work_kind::update ? "block" : "microbatch";
}

} // namespace troupe

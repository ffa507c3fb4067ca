// Wirings whose shares are dealt step by step (actors/share_dealer.hpp): balanced, or with backups.
#pragma once

#include "actors/share_dealer.hpp"
#include "troupe/wiring.hpp"

#include <string>
#include <vector>

namespace troupe {

// What does not go together with it.
struct dealing {
  bool balance = false;
  int backups = 0;
  bool as_they_come = false, stashes_weights = false, groups = false, islands = false;
  bool keeps_residuals = false; // a codec of the job
};

// Told at `where`, e.g. "--balance". Empty where nothing is dealt.
std::vector<error_text> mistakes_of(const dealing& d, const std::string& where);
std::vector<error_text> dealing_mistakes_of(const wiring& w);

// For the director. Nothing is dealt where the wiring has neither.
share_dealer_options dealt_by(const wiring& w);

} // namespace troupe

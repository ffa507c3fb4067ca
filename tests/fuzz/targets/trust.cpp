// Lists of trusted keys, and key files: [which][text].
#include "net/trust.hpp"

#include "fuzz/targets/target.hpp"
#include "net/keys.hpp"
#include "ops/error.hpp"

namespace troupe::fuzz {

std::vector<std::string> seeds() {
  const std::string key(40, 'k'), other(40, 'o');
  return {std::string(1, '\0') + "# text\na 0-3,7 " + key + "\nb any " + other + "\n",
          "\1one " + key + " " + other + "\n",
          "\2one " + key + "\n"};
}

} // namespace troupe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  fuzz::bytes in(data, size);
  const std::uint8_t which = in.byte();
  const std::string text = fuzz::text_of(in.rest());
  try {
    if (which % 3 == 1) (void)net::parse_secret_key(text, "k");
    if (which % 3 == 2) (void)net::parse_public_key(text, "k");
    if (which % 3 != 0) return 0;
    const std::string written = net::trust_list::parse(text, "f").text();
    fuzz::require(net::trust_list::parse(written, "f").text() == written,
                  "a list that is written is read as it was");
  } catch (const error&) {
    return 0;
  }
  return 0;
}

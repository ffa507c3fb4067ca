// The smallest program that a user outside can write.
#include <troupe.hpp>

#include <cstdio>

int main() {
  const auto graph = troupe::build_graph(troupe::lenet(), troupe::shape{1, 28, 28});
  std::puts(troupe::summary(graph).c_str());
}

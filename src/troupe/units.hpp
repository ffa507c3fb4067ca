// Quantities as people write them: a number and a unit, a blank between them or not. False, and the
// value as it was: not understood.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe {

// The whole text as a number.
bool parse_whole(const std::string& text, std::int64_t& number);
bool parse_real(const std::string& text, double& number);

bool parse_time(const std::string& text, std::chrono::nanoseconds& time); // "30 ms"
bool parse_share(const std::string& text, double& share);                 // "1 %", "0.01"
bool parse_bandwidth(const std::string& text, double& bytes_per_second);  // "10 Gbit/s", "1 GB/s"
bool parse_bytes(const std::string& text, std::int64_t& bytes);           // "8 GB"
bool parse_slowness(const std::string& text, double& slowness); // "2x slower", "2x faster"
bool parse_rate(const std::string& text, double& per_second);   // "2/s"
bool parse_count(const std::string& text, const std::string& noun, int& count); // "4 cores"

inline constexpr const char* time_units = "ns, us, ms and s";
inline constexpr const char* bandwidth_units = "Gbit/s, Mbit/s, kbit/s, GB/s, MB/s and kB/s";
inline constexpr const char* byte_units = "TB, GB, MB, kB and B";

} // namespace troupe

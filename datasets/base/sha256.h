#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace teacache {

// SHA-256 (FIPS 180-4) of bytes that come in pieces. Here, so that digests need no library: those
// that have it (libav, OpenSSL) are missing on machines that run the GPU tests.
class Sha256 {
 public:
  void Update(const void* data, size_t size);
  // 64 lower-case hexadecimal digits; nothing may be added afterwards.
  std::string Hex();

 private:
  void Block(const uint8_t* block);  // 64 bytes

  std::array<uint32_t, 8> state_ = {0x6a09e667,
                                    0xbb67ae85,
                                    0x3c6ef372,
                                    0xa54ff53a,
                                    0x510e527f,
                                    0x9b05688c,
                                    0x1f83d9ab,
                                    0x5be0cd19};
  std::array<uint8_t, 64> buffer_ = {};
  size_t buffered_ = 0;
  uint64_t size_ = 0;  // bytes so far
};

}  // namespace teacache

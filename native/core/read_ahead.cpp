#include "core/read_ahead.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace latentray {

namespace {

constexpr size_t kPiece = size_t{8} << 20;

bool is_cached(const char* data, size_t size) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((size + page - 1) / page);
  if (::mincore(const_cast<char*>(data), size, resident.data()) != 0) return false;
  return std::all_of(resident.begin(), resident.end(), [](auto flags) { return (flags & 1) != 0; });
}

// Not through the mapping: pages that were given back would count as this process's again.
void read_pieces(const std::weak_ptr<MappedFile>& mapped, int fd) {
  std::vector<char> scratch(kPiece);
  for (size_t start = 0;; start += kPiece) {
    const auto file = mapped.lock();
    if (!file || start >= file->size()) return;
    const size_t size = std::min(kPiece, file->size() - start);
    if (is_cached(file->data() + start, size)) continue;
    if (::pread(fd, scratch.data(), size, static_cast<off_t>(start)) <= 0) return;
  }
}

}  // namespace

void read_ahead(const std::shared_ptr<MappedFile>& file) {
  if (file->size() < kPiece) return;
  const int fd = ::open(file->path().c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  try {
    std::thread([mapped = std::weak_ptr(file), fd] {
      read_pieces(mapped, fd);
      ::close(fd);
    }).detach();
  } catch (const std::system_error&) {  // no thread to be had: the pages are read when touched
    ::close(fd);
  }
}

}  // namespace latentray

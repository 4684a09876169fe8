// The entries of a zip archive whose bytes lie in it as they are, which is how torch.save writes
// them: found without a copy. Compressed entries are known by name and refused when asked for.
// Reference: PKWARE APPNOTE 6.3 (with zip64).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/mapped_file.h"

namespace latentray {

class ZipArchive {
 public:
  // ERR_WEIGHTS_CORRUPT when the file's directory cannot be read.
  explicit ZipArchive(std::shared_ptr<MappedFile> file);

  static bool is_zip(const MappedFile& file);

  bool contains(const std::string& name) const { return entries_.count(name) != 0; }
  // The entry that ends with `suffix`, or "".
  std::string name_ending_with(std::string_view suffix) const;
  // An entry's bytes inside the map. ERR_WEIGHTS_CORRUPT when there is none of that name.
  std::string_view bytes(const std::string& name) const;

 private:
  struct Entry {
    uint64_t header_offset;
    uint64_t size;
    bool compressed;
  };

  struct Directory {
    uint64_t offset;
    uint64_t entries;
  };

  [[noreturn]] void corrupt(const std::string& what) const;
  uint64_t number_at(uint64_t offset, size_t width) const;
  Directory find_directory() const;
  uint64_t read_entry(uint64_t offset);
  void read_zip64(std::string_view extra, Entry& entry, bool has_size, bool has_packed);

  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace latentray

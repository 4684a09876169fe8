#include "weights/zip_archive.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace latentray {

namespace {

constexpr std::string_view kLocalHeader = "PK\x03\x04";
constexpr std::string_view kDirectoryEntry = "PK\x01\x02";
constexpr std::string_view kEndOfDirectory = "PK\x05\x06";
constexpr std::string_view kZip64Locator = "PK\x06\x07";
constexpr std::string_view kZip64End = "PK\x06\x06";
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLongestComment = 65535;
constexpr uint64_t kInZip64 = 0xffffffff;

std::string_view text_of(const MappedFile& file) { return {file.data(), file.size()}; }

}  // namespace

bool ZipArchive::is_zip(const MappedFile& file) {
  return text_of(file).substr(0, kLocalHeader.size()) == kLocalHeader;
}

ZipArchive::ZipArchive(std::shared_ptr<MappedFile> file) : file_(std::move(file)) {
  const Directory directory = find_directory();
  uint64_t offset = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) offset = read_entry(offset);
}

std::string ZipArchive::name_ending_with(std::string_view suffix) const {
  for (const auto& [name, entry] : entries_) {
    const bool ends = name.size() >= suffix.size() &&
                      name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (ends) return name;
  }
  return "";
}

std::string_view ZipArchive::bytes(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) corrupt("has no entry '" + name + "'");
  const Entry& entry = found->second;
  if (entry.compressed) {
    corrupt("entry '" + name + "' is compressed, which torch.save never does. Save it again");
  }
  const uint64_t header = entry.header_offset;
  if (header >= file_->size() || text_of(*file_).substr(header, 4) != kLocalHeader) {
    corrupt("entry '" + name + "' does not begin where the directory says");
  }
  const uint64_t begin = header + 30 + number_at(header + 26, 2) + number_at(header + 28, 2);
  if (begin > file_->size() || entry.size > file_->size() - begin) {
    corrupt(c10::str("entry '", name, "' of ", entry.size, " bytes ends behind the file"));
  }
  return text_of(*file_).substr(begin, entry.size);
}

void ZipArchive::corrupt(const std::string& what) const {
  throw Error("ERR_WEIGHTS_CORRUPT", file_->path() + ": zip archive: " + what,
              {{"path", file_->path()}});
}

uint64_t ZipArchive::number_at(uint64_t offset, size_t width) const {
  if (offset > file_->size() || width > file_->size() - offset) corrupt("is truncated");
  uint64_t number = 0;
  std::memcpy(&number, file_->data() + offset, width);
  return number;
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const auto text = text_of(*file_);
  const uint64_t tail = std::min<uint64_t>(text.size(), kEndBytes + kLongestComment);
  const size_t in_tail = text.substr(text.size() - tail).rfind(kEndOfDirectory);
  if (in_tail == std::string_view::npos) corrupt("has no directory. Truncated download?");
  const uint64_t end = text.size() - tail + in_tail;

  const bool zip64 = end >= 20 && text.substr(end - 20, 4) == kZip64Locator;
  if (!zip64) return {number_at(end + 16, 4), number_at(end + 10, 2)};
  const uint64_t zip64_end = number_at(end - 12, 8);
  if (zip64_end >= text.size() || text.substr(zip64_end, 4) != kZip64End) {
    corrupt("its zip64 directory is not where it should be");
  }
  return {number_at(zip64_end + 48, 8), number_at(zip64_end + 32, 8)};
}

// Returns the offset of the entry behind it.
uint64_t ZipArchive::read_entry(uint64_t offset) {
  const auto text = text_of(*file_);
  if (offset >= text.size() || text.substr(offset, 4) != kDirectoryEntry) {
    corrupt("its directory is broken");
  }
  const uint64_t name_bytes = number_at(offset + 28, 2);
  const uint64_t extra_bytes = number_at(offset + 30, 2);
  const uint64_t comment_bytes = number_at(offset + 32, 2);
  const uint64_t end = offset + 46 + name_bytes + extra_bytes + comment_bytes;
  if (end > text.size()) corrupt("its directory is truncated");

  const uint64_t packed_size = number_at(offset + 20, 4);
  Entry entry{number_at(offset + 42, 4), number_at(offset + 24, 4), number_at(offset + 10, 2) != 0};
  if (entry.size == kInZip64 || entry.header_offset == kInZip64) {
    // The extra field lists only what does not fit: size, packed size, offset.
    const auto extra = text.substr(offset + 46 + name_bytes, extra_bytes);
    read_zip64(extra, entry, entry.size == kInZip64, packed_size == kInZip64);
  }
  entries_[std::string(text.substr(offset + 46, name_bytes))] = entry;
  return end;
}

void ZipArchive::read_zip64(std::string_view extra, Entry& entry, bool has_size, bool has_packed) {
  const auto number = [&](size_t at, size_t width) {
    uint64_t value = 0;
    if (at + width > extra.size()) corrupt("a zip64 field is truncated");
    std::memcpy(&value, extra.data() + at, width);
    return value;
  };
  constexpr uint64_t kZip64Field = 1;
  for (size_t at = 0; at + 4 <= extra.size(); at += 4 + number(at + 2, 2)) {
    if (number(at, 2) != kZip64Field) continue;
    size_t next = at + 4;
    if (has_size) entry.size = number(next, 8), next += 8;
    if (has_packed) next += 8;
    if (entry.header_offset == kInZip64) entry.header_offset = number(next, 8);
    return;
  }
  corrupt("a large entry has no zip64 field");
}

}  // namespace latentray

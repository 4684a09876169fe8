// A file mapped into memory. Private and writable: tensors over it may be changed in place
// (fine-tuning, LoRA fusing) without the file changing; pages that nobody writes stay shared with
// the page cache.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace latentray {

class MappedFile {
 public:
  // ERR_MODEL_NOT_FOUND when the file cannot be opened.
  static std::shared_ptr<MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return data_; }
  size_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, char* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  char* data_;
  size_t size_;
};

}  // namespace latentray

#include "weights/pytorch_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/mapped_tensor.h"
#include "weights/corrupt.h"
#include "weights/pickle.h"
#include "weights/zip_archive.h"

namespace latentray {

namespace {

// Of the archive's pickle: a checkpoint's is kilobytes, its tensors lie elsewhere.
constexpr size_t kMaxPickleBytes = 64 << 20;
// Under which frameworks keep the weights beside other things.
constexpr std::array kNestedNames{"state_dict", "model_state_dict", "model", "module",
                                  "string_to_param"};
// The first pickle of the older form holds this number.
const std::string kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kLegacyProtocol = 1001;

using StorageBytes = std::function<std::string_view(const pickle::Storage&)>;

// How many elements of the storage the view reaches, counted from its start.
std::optional<uint64_t> extent(const pickle::TensorView& view) {
  if (view.offset < 0 || view.sizes.size() != view.strides.size()) return std::nullopt;
  uint64_t numel = 1;
  uint64_t last = static_cast<uint64_t>(view.offset);
  for (size_t i = 0; i < view.sizes.size(); ++i) {
    if (view.sizes[i] < 0 || view.strides[i] < 0) return std::nullopt;
    const auto size = static_cast<uint64_t>(view.sizes[i]);
    uint64_t reach = 0;
    if (__builtin_mul_overflow(numel, size, &numel)) return std::nullopt;
    if (size == 0) continue;
    if (__builtin_mul_overflow(size - 1, static_cast<uint64_t>(view.strides[i]), &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  // A view that repeats its storage would grow out of proportion when it is cast or moved.
  if (numel > view.storage.numel) return std::nullopt;
  return numel == 0 ? 0 : last + 1;
}

at::Tensor tensor_of(const pickle::TensorView& view, std::string_view bytes,
                     const std::shared_ptr<MappedFile>& file, const std::string& name) {
  const auto reached = extent(view);
  const uint64_t held = bytes.size() / c10::elementSize(view.storage.dtype);
  if (!reached || *reached > std::min(view.storage.numel, held)) {
    corrupt(file->path(), "tensor '" + name + "' does not lie inside its storage");
  }
  const auto skipped = static_cast<uint64_t>(view.offset) * c10::elementSize(view.storage.dtype);
  const char* data = bytes.data() + (*reached == 0 ? 0 : skipped);
  return mapped_tensor(file, data, view.storage.dtype, view.sizes, view.strides);
}

bool holds_tensors(pickle::Ref value) {
  const auto* dict = pickle::get_if<pickle::Dict>(value);
  if (dict == nullptr) return false;
  for (const auto& [key, item] : dict->items) {
    if (pickle::get_if<pickle::TensorView>(item) != nullptr) return true;
  }
  return false;
}

// The dict of tensors in `root`, itself or one of its entries.
const pickle::Dict& weights_in(const pickle::Dict& root, const std::string& path) {
  for (const char* name : kNestedNames) {
    const pickle::Ref nested = pickle::find(root, name);
    if (nested != nullptr && holds_tensors(nested)) return *pickle::get_if<pickle::Dict>(nested);
  }
  std::vector<const pickle::Dict*> candidates;
  for (const auto& [key, item] : root.items) {
    if (pickle::get_if<pickle::TensorView>(item) != nullptr) return root;
    if (holds_tensors(item)) candidates.push_back(pickle::get_if<pickle::Dict>(item));
  }
  if (candidates.size() == 1) return *candidates.front();
  corrupt(path, candidates.empty() ? "holds no dict of tensors. A whole model, an optimizer?"
                                   : "holds several dicts of tensors, none called state_dict");
}

std::string text_of(pickle::Ref value) {
  if (const auto* text = pickle::get_if<std::string>(value)) return *text;
  if (const auto* number = pickle::get_if<int64_t>(value)) return std::to_string(*number);
  if (const auto* number = pickle::get_if<double>(value)) return c10::str(*number);
  return "";
}

StateDict state_of(pickle::Ref root, const StorageBytes& bytes_of,
                   const std::shared_ptr<MappedFile>& file) {
  const auto* dict = pickle::get_if<pickle::Dict>(root);
  if (dict == nullptr) corrupt(file->path(), "expected a dict of tensors");

  StateDict state;
  state.origin = file->path();
  for (const auto& [key, value] : weights_in(*dict, file->path()).items) {
    const auto* name = pickle::get_if<std::string>(key);
    const auto* view = pickle::get_if<pickle::TensorView>(value);
    if (name == nullptr || view == nullptr) continue;
    state.tensors[*name] = tensor_of(*view, bytes_of(view->storage), file, *name);
  }
  for (const auto& [key, value] : dict->items) {
    const auto* name = pickle::get_if<std::string>(key);
    const std::string text = text_of(value);
    if (name != nullptr && !text.empty()) state.metadata[*name] = text;
  }
  return state;
}

StateDict read_archive(const std::shared_ptr<MappedFile>& file) {
  const ZipArchive archive(file);
  const std::string pickle_name = archive.name_ending_with("/data.pkl");
  if (pickle_name.empty()) corrupt(file->path(), "expected a data.pkl, as torch.save writes it");
  const std::string folder = pickle_name.substr(0, pickle_name.size() - std::strlen("data.pkl"));
  if (archive.contains(folder + "constants.pkl")) {
    corrupt(file->path(), "is a TorchScript program, which holds code. Expected a state_dict");
  }
  if (archive.contains(folder + "byteorder") && archive.bytes(folder + "byteorder") == "big") {
    corrupt(file->path(), "was written on a big-endian machine. Save it again on another");
  }
  const auto text = archive.bytes(pickle_name);
  if (text.size() > kMaxPickleBytes) corrupt(file->path(), "its data.pkl is too large");

  pickle::Arena arena;
  const pickle::Ref root = pickle::load(text, arena, file->path()).value;
  return state_of(
      root,
      [&](const pickle::Storage& storage) { return archive.bytes(folder + "data/" + storage.key); },
      file);
}

// Reads the older form's parts in their order.
class LegacyReader {
 public:
  explicit LegacyReader(const std::shared_ptr<MappedFile>& file)
      : file_(file), rest_(file->data(), file->size()) {}

  StateDict read() {
    check_head();
    const pickle::Ref root = next();
    index_storages(next());
    return state_of(
        root, [this](const pickle::Storage& storage) { return bytes_of(storage); }, file_);
  }

 private:
  pickle::Ref next() {
    const auto loaded = pickle::load(rest_, arena_, file_->path());
    rest_.remove_prefix(loaded.bytes);
    return loaded.value;
  }

  void check_head() {
    const auto* magic = pickle::get_if<pickle::BigInteger>(next());
    const bool is_torch = magic != nullptr && magic->little_endian == kLegacyMagic;
    if (!is_torch) corrupt(file_->path(), "is a pickle, but not one that torch.save wrote");
    const auto* protocol = pickle::get_if<int64_t>(next());
    if (protocol == nullptr || *protocol != kLegacyProtocol) {
      corrupt(file_->path(), "expected torch.save's protocol 1001");
    }
    const auto* system = pickle::get_if<pickle::Dict>(next());
    const pickle::Ref little = system ? pickle::find(*system, "little_endian") : nullptr;
    if (little == nullptr || pickle::get_if<bool>(little) == nullptr ||
        !*pickle::get_if<bool>(little)) {
      corrupt(file_->path(), "was not written on a little-endian machine");
    }
  }

  // Behind the pickles: for each key, in this order, a count of 8 bytes and the elements.
  void index_storages(pickle::Ref keys) {
    std::unordered_map<std::string, size_t> element_sizes;
    for (const pickle::Value& value : arena_.values()) {
      const auto* storage = std::get_if<pickle::Storage>(&value.content);
      if (storage != nullptr) element_sizes[storage->key] = c10::elementSize(storage->dtype);
    }
    const auto* list = pickle::get_if<pickle::Sequence>(keys);
    if (list == nullptr) corrupt(file_->path(), "expected the storages' keys");
    for (const pickle::Ref key : list->items) {
      const auto* text = pickle::get_if<std::string>(key);
      const auto element = text ? element_sizes.find(*text) : element_sizes.end();
      if (element == element_sizes.end()) corrupt(file_->path(), "a storage that no tensor uses");
      storages_[*text] = take_storage(element->second);
    }
  }

  std::string_view take_storage(size_t element_size) {
    uint64_t count = 0;
    uint64_t bytes = 0;
    if (rest_.size() >= sizeof count) std::memcpy(&count, rest_.data(), sizeof count);
    const bool overflows = __builtin_mul_overflow(count, element_size, &bytes);
    if (rest_.size() < sizeof count || overflows || bytes > rest_.size() - sizeof count) {
      corrupt(file_->path(), "ends inside a storage. Truncated download?");
    }
    const auto storage = rest_.substr(sizeof count, bytes);
    rest_.remove_prefix(sizeof count + bytes);
    return storage;
  }

  std::string_view bytes_of(const pickle::Storage& storage) const {
    const auto found = storages_.find(storage.key);
    if (found == storages_.end()) corrupt(file_->path(), "lacks storage '" + storage.key + "'");
    return found->second;
  }

  std::shared_ptr<MappedFile> file_;
  std::string_view rest_;
  pickle::Arena arena_;
  std::unordered_map<std::string, std::string_view> storages_;
};

bool is_pickle(const MappedFile& file) {
  if (file.size() < 3 || file.data()[0] != '\x80' ||
      static_cast<unsigned char>(file.data()[1]) > 5) {
    return false;
  }
  // A safetensors file may begin with these bytes too: its header's length, below 2³², then "{".
  const std::string_view start(file.data(), std::min<size_t>(file.size(), 9));
  return start.size() < 9 || start.substr(4) != std::string_view("\0\0\0\0{", 5);
}

}  // namespace

bool is_pytorch_file(const MappedFile& file) { return ZipArchive::is_zip(file) || is_pickle(file); }

StateDict read_pytorch_file(const std::shared_ptr<MappedFile>& file) {
  return ZipArchive::is_zip(*file) ? read_archive(file) : LegacyReader(file).read();
}

}  // namespace latentray

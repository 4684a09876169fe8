#include "weights/safetensors.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/dtype.h"
#include "core/error.h"
#include "core/mapped_tensor.h"
#include "weights/corrupt.h"

namespace latentray {

namespace {

using nlohmann::json;

// The reference implementation's limit.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

constexpr std::array<std::pair<const char*, at::ScalarType>, 12> kDtypes{{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
}};

std::optional<at::ScalarType> dtype_of(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes) {
    if (name == known) return dtype;
  }
  return std::nullopt;
}

struct Entry {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

json parse_header(const MappedFile& file, uint64_t& data_start) {
  const std::string& path = file.path();
  if (file.size() < 8) corrupt(path, c10::str("expected at least 8 bytes, found ", file.size()));
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeaderBytes || length > file.size() - 8) {
    corrupt(path, c10::str("the header claims ", length, " bytes, the file has ", file.size() - 8,
                           " after the length. Truncated download, or not a safetensors file?"));
  }
  data_start = 8 + length;
  json header = json::parse(file.data() + 8, file.data() + data_start, nullptr, false);
  if (!header.is_object()) corrupt(path, "the header is not a JSON object");
  return header;
}

bool is_list_of_naturals(const json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const json& item) {
           return item.is_number_unsigned();
         });
}

// The product of the shape, or nothing when it overflows.
std::optional<uint64_t> byte_count(const Entry& entry) {
  uint64_t bytes = c10::elementSize(entry.dtype);
  for (const int64_t size : entry.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

Entry parse_entry(const std::string& path, const std::string& name, const json& value,
                  uint64_t data_bytes) {
  const auto well_formed = value.is_object() && value.contains("dtype") &&
                           value["dtype"].is_string() && value.contains("shape") &&
                           is_list_of_naturals(value["shape"]) && value.contains("data_offsets") &&
                           is_list_of_naturals(value["data_offsets"]) &&
                           value["data_offsets"].size() == 2;
  if (!well_formed) corrupt(path, "tensor '" + name + "': expected dtype, shape and data_offsets");

  const std::string dtype_text = value["dtype"];
  const auto dtype = dtype_of(dtype_text);
  if (!dtype) corrupt(path, "tensor '" + name + "': unknown dtype '" + dtype_text + "'");

  Entry entry{name, *dtype, value["shape"].get<std::vector<int64_t>>(),
              value["data_offsets"][0].get<uint64_t>(), value["data_offsets"][1].get<uint64_t>()};
  if (entry.begin > entry.end || entry.end > data_bytes) {
    corrupt(path, c10::str("tensor '", name, "': offsets ", entry.begin, " to ", entry.end,
                           " lie outside the file's ", data_bytes, " data bytes"));
  }
  if (byte_count(entry) != entry.end - entry.begin) {
    corrupt(path, c10::str("tensor '", name, "': shape ", at::IntArrayRef(entry.shape), " of ",
                           dtype_text, " does not fill ", entry.end - entry.begin, " bytes"));
  }
  return entry;
}

void check_contiguous(const std::string& path, std::vector<Entry> entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (const auto& entry : entries) {
    if (entry.begin != expected) {
      corrupt(path, c10::str("tensor '", entry.name, "': expected to begin at byte ", expected,
                             ", begins at ", entry.begin, " (overlap or hole)"));
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    corrupt(path, c10::str("the tensors fill ", expected, " bytes, the file has ", data_bytes));
  }
}

std::map<std::string, std::string> parse_metadata(const std::string& path, const json& value) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) corrupt(path, "__metadata__: expected an object of strings");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) corrupt(path, "__metadata__: '" + key + "' is not a string");
    metadata[key] = text;
  }
  return metadata;
}

}  // namespace

StateDict read_safetensors(const std::string& path) {
  return read_safetensors(MappedFile::open(path));
}

StateDict read_safetensors(const std::shared_ptr<MappedFile>& file) {
  const std::string& path = file->path();
  uint64_t data_start = 0;
  const json header = parse_header(*file, data_start);
  const uint64_t data_bytes = file->size() - data_start;

  StateDict state;
  state.origin = path;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      state.metadata = parse_metadata(path, value);
    } else {
      entries.push_back(parse_entry(path, name, value, data_bytes));
    }
  }
  check_contiguous(path, entries, data_bytes);
  for (const auto& entry : entries) {
    const char* data = file->data() + data_start + entry.begin;
    state.tensors[entry.name] = mapped_tensor(file, data, entry.dtype, entry.shape);
  }
  return state;
}

namespace {

const char* safetensors_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes) {
    if (known == dtype) return name;
  }
  throw Error("ERR_DTYPE", "safetensors cannot hold " + dtype_name(dtype));
}

using NamedTensor = std::pair<std::string, at::Tensor>;

std::vector<NamedTensor> in_file_order(const StateDict& state) {
  std::vector<NamedTensor> ordered;
  for (const auto& [name, tensor] : state.tensors) {
    ordered.emplace_back(name, tensor.detach().to(at::kCPU).contiguous());
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return a.second.element_size() > b.second.element_size();
  });
  return ordered;
}

std::string header_text(const std::vector<NamedTensor>& ordered, const StateDict& state) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!state.metadata.empty()) header["__metadata__"] = state.metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", safetensors_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins at a multiple of 8
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, const StateDict& state) {
  const auto ordered = in_file_order(state);
  const std::string header = header_text(ordered, state);
  const uint64_t header_size = header.size();
  const std::string temporary = c10::str(path, ".", ::getpid(), ".tmp");

  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(&header_size), sizeof header_size);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const auto& [name, tensor] : ordered) {
    file.write(static_cast<const char*>(tensor.data_ptr()),
               static_cast<std::streamsize>(tensor.nbytes()));
  }
  file.close();
  if (!file.good() || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Error("ERR_WRITE", path + ": cannot write: " + reason, {{"path", path}});
  }
}

}  // namespace latentray

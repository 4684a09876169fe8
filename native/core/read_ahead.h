// Reading a mapped file before its pages are touched.
#pragma once

#include <memory>

#include "core/mapped_file.h"

namespace latentray {

// Brings a large file into the page cache from a thread of its own, front to back, as fast as the
// disk gives it. Whoever touches the pages meanwhile computes while the disk works, in place of
// waiting at every first touch of a few pages. Ends early when the file is unmapped.
void read_ahead(const std::shared_ptr<MappedFile>& file);

}  // namespace latentray

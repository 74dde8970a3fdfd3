// Emulates V4L2 cameras for a process: preloaded, it answers the system calls on their devices as
// the kernel's uvcvideo does. A device is a FIFO, PATH; PATH.txt describes the camera:
//   card NAME
//   size FOURCC WIDTH HEIGHT RATE [RATE ...]
//   control ID LOW HIGH VALUE [ID_OF_ITS_AUTOMATIC VALUE_FOR_MANUAL]
// PATH.WIDTHxHEIGHT.jpg is the image for MJPG. In other formats the upper left quarter is bright.
// PATH.log gets a line for each started stream and each control that was set. Without PATH, the
// camera is unplugged; with PATH.stall, its streams deliver no more images.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Size { __u32 fourcc, width, height; std::vector<__u32> rates; };
struct Control { int low, high, value; __u32 automatic = 0; int manual = 0; };
struct Camera {
  std::string path, card;
  std::vector<Size> sizes;
  std::map<__u32, Control> controls;
  Size format;
  __u32 rate = 30, next = 0;
  bool streaming = false;
  std::vector<void *> buffers;
  std::vector<bool> queued;
  std::string jpeg;
};

std::map<int, Camera *> by_descriptor;  // a camera is read by one process in these tests
std::map<std::string, Camera *> by_path;
std::mutex lock;
bool any = false;  // whether a camera was opened: before, these objects may not exist yet

template <class F> F real(const char *name) { return reinterpret_cast<F>(dlsym(RTLD_NEXT, name)); }

void note(const Camera &camera, const std::string &line) {
  std::ofstream(camera.path + ".log", std::ios::app) << line << "\n";
}

Camera *load(const std::string &path) {
  auto *camera = new Camera{};
  camera->path = path;
  std::ifstream file(path + ".txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "card") {
      std::getline(words >> std::ws, camera->card);
    } else if (what == "size") {
      Size size{};
      std::string fourcc;
      words >> fourcc >> size.width >> size.height;
      memcpy(&size.fourcc, fourcc.c_str(), 4);
      for (__u32 rate; words >> rate;) size.rates.push_back(rate);
      camera->sizes.push_back(size);
    } else if (what == "control") {
      __u32 id;
      Control control{};
      words >> std::hex >> id >> std::dec >> control.low >> control.high >> control.value;
      words >> std::hex >> control.automatic >> std::dec >> control.manual;
      camera->controls[id] = control;
    }
  }
  camera->format = camera->sizes.at(0);
  return camera;
}

int open_camera(const char *given) {
  const char *directory = getenv("EMULATED_CAMERAS");
  if (!directory || !given || strncmp(given, directory, strlen(directory))) return -2;
  char resolved[4096];
  if (!realpath(given, resolved)) return -2;
  const std::string path = resolved;
  if (access((path + ".txt").c_str(), R_OK)) return -2;
  std::lock_guard<std::mutex> guard(lock);
  if (!by_path.count(path)) by_path[path] = load(path);
  const int file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  by_descriptor[file] = by_path[path];
  any = true;
  return file;
}

int fail(int number) { errno = number; return -1; }

std::vector<__u32> fourccs(const Camera &camera) {
  std::vector<__u32> found;
  for (const auto &size : camera.sizes)
    if (std::find(found.begin(), found.end(), size.fourcc) == found.end())
      found.push_back(size.fourcc);
  return found;
}

__u32 bytes(const Size &size) { return size.width * size.height * 2; }

void fill(v4l2_pix_format &pix, const Size &size) {
  pix.width = size.width, pix.height = size.height, pix.pixelformat = size.fourcc;
  pix.field = V4L2_FIELD_NONE, pix.sizeimage = bytes(size);
  pix.bytesperline = size.fourcc == V4L2_PIX_FMT_MJPEG ? 0 : size.width * 2;
}

// As uvcvideo: an unknown format becomes the first one, an unknown size the nearest one.
Size nearest(const Camera &camera, const v4l2_pix_format &pix) {
  const auto codes = fourccs(camera);
  const __u32 code =
      std::find(codes.begin(), codes.end(), pix.pixelformat) == codes.end() ? codes[0] : pix.pixelformat;
  const Size *best = nullptr;
  auto distance = [&](const Size &size) {
    return std::abs(long(size.width) - long(pix.width)) + std::abs(long(size.height) - long(pix.height));
  };
  for (const auto &size : camera.sizes)
    if (size.fourcc == code && (!best || distance(size) < distance(*best))) best = &size;
  return *best;
}

int stream_on(Camera &camera, int file) {
  const auto &format = camera.format;
  std::ostringstream name, line;
  name << camera.path << '.' << format.width << 'x' << format.height << ".jpg";
  std::ifstream jpeg(name.str(), std::ios::binary);
  camera.jpeg.assign(std::istreambuf_iterator<char>(jpeg), {});
  line << "stream " << std::string(reinterpret_cast<const char *>(&format.fourcc), 4) << ' '
       << format.width << 'x' << format.height << ' ' << camera.rate;
  note(camera, line.str());
  const long ns = 1000000000L / camera.rate;
  const itimerspec every{{ns / 1000000000L, ns % 1000000000L}, {ns / 1000000000L, ns % 1000000000L}};
  timerfd_settime(file, 0, &every, nullptr);
  camera.streaming = true;
  return 0;
}

int dequeue(Camera &camera, int file, v4l2_buffer &buffer) {
  if (access(camera.path.c_str(), F_OK)) return fail(ENODEV);
  unsigned long long expirations;
  if (!camera.streaming) return fail(EINVAL);
  if (!access((camera.path + ".stall").c_str(), F_OK)) {  // no more images of this stream
    const itimerspec never{};
    timerfd_settime(file, 0, &never, nullptr);
    return fail(EAGAIN);
  }
  if (real<ssize_t (*)(int, void *, size_t)>("read")(file, &expirations, 8) != 8) return fail(EAGAIN);
  for (size_t tried = 0; tried < camera.buffers.size(); ++tried) {
    const __u32 index = camera.next++ % camera.buffers.size();
    if (!camera.queued[index]) continue;
    auto *image = static_cast<unsigned char *>(camera.buffers[index]);
    const auto &format = camera.format;
    buffer.bytesused = bytes(format);
    if (format.fourcc == V4L2_PIX_FMT_MJPEG) {
      buffer.bytesused = camera.jpeg.size();
      memcpy(image, camera.jpeg.data(), camera.jpeg.size());
    } else {
      for (__u32 y = 0; y < format.height; ++y)
        for (__u32 x = 0; x < format.width; ++x) {
          const bool bright = 2 * x < format.width && 2 * y < format.height;
          image[2 * (y * format.width + x)] = bright ? 235 : 16;
          image[2 * (y * format.width + x) + 1] = 128;
        }
    }
    camera.queued[index] = false;
    buffer.index = index, buffer.length = bytes(format), buffer.m.offset = index * 4096;
    buffer.flags = V4L2_BUF_FLAG_DONE;
    return 0;
  }
  return fail(EAGAIN);
}

int set_control(Camera &camera, const v4l2_control &wanted) {
  const auto found = camera.controls.find(wanted.id);
  if (found == camera.controls.end()) return fail(EINVAL);
  Control &control = found->second;
  if (control.automatic && camera.controls[control.automatic].value != control.manual)
    return fail(EACCES);  // inactive
  if (wanted.value < control.low || wanted.value > control.high) return fail(ERANGE);
  control.value = wanted.value;
  std::ostringstream line;
  line << "control " << std::hex << wanted.id << std::dec << ' ' << wanted.value;
  note(camera, line.str());
  return 0;
}

int answer(Camera &camera, int file, unsigned long request, void *at) {
  std::lock_guard<std::mutex> guard(lock);
  switch (request) {
    case VIDIOC_QUERYCAP: {
      auto &cap = *static_cast<v4l2_capability *>(at);
      cap = v4l2_capability{};
      strncpy(reinterpret_cast<char *>(cap.card), camera.card.c_str(), 31);
      strcpy(reinterpret_cast<char *>(cap.driver), "uvcvideo");
      cap.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      cap.capabilities = cap.device_caps | V4L2_CAP_DEVICE_CAPS;
      return 0;
    }
    case VIDIOC_ENUM_FMT: {
      auto &fmt = *static_cast<v4l2_fmtdesc *>(at);
      const auto codes = fourccs(camera);
      if (fmt.type != V4L2_BUF_TYPE_VIDEO_CAPTURE || fmt.index >= codes.size()) return fail(EINVAL);
      fmt.pixelformat = codes[fmt.index];
      return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
      auto &wanted = *static_cast<v4l2_frmsizeenum *>(at);
      __u32 index = 0;
      for (const auto &size : camera.sizes)
        if (size.fourcc == wanted.pixel_format && index++ == wanted.index) {
          wanted.type = V4L2_FRMSIZE_TYPE_DISCRETE;
          wanted.discrete = {size.width, size.height};
          return 0;
        }
      return fail(EINVAL);
    }
    case VIDIOC_ENUM_FRAMEINTERVALS: {
      auto &wanted = *static_cast<v4l2_frmivalenum *>(at);
      for (const auto &size : camera.sizes)
        if (size.fourcc == wanted.pixel_format && size.width == wanted.width &&
            size.height == wanted.height && wanted.index < size.rates.size()) {
          wanted.type = V4L2_FRMIVAL_TYPE_DISCRETE;
          wanted.discrete = {1, size.rates[wanted.index]};
          return 0;
        }
      return fail(EINVAL);
    }
    case VIDIOC_G_FMT:
      fill(static_cast<v4l2_format *>(at)->fmt.pix, camera.format);
      return 0;
    case VIDIOC_S_FMT: {
      if (!camera.buffers.empty()) return fail(EBUSY);
      auto &pix = static_cast<v4l2_format *>(at)->fmt.pix;
      camera.format = nearest(camera, pix);
      fill(pix, camera.format);
      return 0;
    }
    case VIDIOC_S_PARM:
    case VIDIOC_G_PARM: {
      auto &parm = static_cast<v4l2_streamparm *>(at)->parm.capture;
      const auto &rates = camera.format.rates;
      if (request == VIDIOC_S_PARM) {
        const double wanted = double(parm.timeperframe.denominator) / std::max(1u, parm.timeperframe.numerator);
        camera.rate = *std::min_element(rates.begin(), rates.end(), [&](__u32 a, __u32 b) {
          return std::abs(a - wanted) < std::abs(b - wanted);
        });
      }
      parm.capability = V4L2_CAP_TIMEPERFRAME;
      parm.timeperframe = {1, camera.rate};
      return 0;
    }
    case VIDIOC_REQBUFS: {
      auto &wanted = *static_cast<v4l2_requestbuffers *>(at);
      for (void *buffer : camera.buffers) free(buffer);
      camera.buffers.clear();
      camera.queued.assign(wanted.count, false);
      for (__u32 i = 0; i < wanted.count; ++i)
        camera.buffers.push_back(aligned_alloc(4096, (bytes(camera.format) + 4095) / 4096 * 4096));
      return 0;
    }
    case VIDIOC_QUERYBUF: {
      auto &buffer = *static_cast<v4l2_buffer *>(at);
      if (buffer.index >= camera.buffers.size()) return fail(EINVAL);
      buffer.length = bytes(camera.format), buffer.m.offset = buffer.index * 4096;
      return 0;
    }
    case VIDIOC_QBUF: {
      const auto &buffer = *static_cast<v4l2_buffer *>(at);
      if (buffer.index >= camera.buffers.size()) return fail(EINVAL);
      camera.queued[buffer.index] = true;
      return 0;
    }
    case VIDIOC_DQBUF: return dequeue(camera, file, *static_cast<v4l2_buffer *>(at));
    case VIDIOC_STREAMON: return stream_on(camera, file);
    case VIDIOC_STREAMOFF: camera.streaming = false; return 0;
    case VIDIOC_QUERYCTRL: {
      auto &query = *static_cast<v4l2_queryctrl *>(at);
      const auto found = camera.controls.find(query.id);
      if (found == camera.controls.end()) return fail(EINVAL);
      query.minimum = found->second.low, query.maximum = found->second.high, query.step = 1;
      return 0;
    }
    case VIDIOC_G_CTRL: {
      auto &control = *static_cast<v4l2_control *>(at);
      const auto found = camera.controls.find(control.id);
      if (found == camera.controls.end()) return fail(EINVAL);
      control.value = found->second.value;
      return 0;
    }
    case VIDIOC_S_CTRL: return set_control(camera, *static_cast<v4l2_control *>(at));
  }
  return fail(ENOTTY);
}

Camera *camera_of(int file) {
  if (!any) return nullptr;
  std::lock_guard<std::mutex> guard(lock);
  const auto found = by_descriptor.find(file);
  return found == by_descriptor.end() ? nullptr : found->second;
}

}  // namespace

extern "C" {

#define OPEN(NAME)                                                        \
  int NAME(const char *path, int flags, ...) {                            \
    va_list more;                                                         \
    va_start(more, flags);                                                \
    const int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, int) : 0; \
    va_end(more);                                                         \
    const int file = open_camera(path);                                   \
    return file == -2 ? real<int (*)(const char *, int, ...)>(#NAME)(path, flags, mode) : file; \
  }
OPEN(open)
OPEN(open64)

int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }

int ioctl(int file, unsigned long request, ...) {
  va_list more;
  va_start(more, request);
  void *at = va_arg(more, void *);
  va_end(more);
  if (Camera *camera = camera_of(file)) return answer(*camera, file, request, at);
  return real<int (*)(int, unsigned long, ...)>("ioctl")(file, request, at);
}

static void *map(const char *name, void *at, size_t size, int how, int flags, int file, off_t offset) {
  if (file >= 0)
    if (Camera *camera = camera_of(file)) return camera->buffers.at(offset / 4096);
  return real<void *(*)(void *, size_t, int, int, int, off_t)>(name)(at, size, how, flags, file, offset);
}
void *mmap(void *at, size_t size, int how, int flags, int file, off_t offset) noexcept {
  return map("mmap", at, size, how, flags, file, offset);
}
void *mmap64(void *at, size_t size, int how, int flags, int file, off_t offset) noexcept {
  return map("mmap64", at, size, how, flags, file, offset);
}

int munmap(void *at, size_t size) noexcept {
  if (any) {
    std::unique_lock<std::mutex> guard(lock);
    for (const auto &one : by_path)
      for (void *buffer : one.second->buffers)
        if (buffer == at) return 0;
  }
  return real<int (*)(void *, size_t)>("munmap")(at, size);
}

int close(int file) {
  if (any) {
    std::lock_guard<std::mutex> guard(lock);
    by_descriptor.erase(file);
  }
  return real<int (*)(int)>("close")(file);
}

}  // extern "C"

//! Any bytes that this decoder takes without a remark: libjpeg-turbo takes them too, and makes the same pixels.
#![no_main]

use std::ffi::c_int;

use libfuzzer_sys::fuzz_target;
use torchfeed_jpeg::{Decoder, Limits, Options, Output, read_header};
use turbojpeg_sys as tj;

/// What libjpeg-turbo makes of the file: nothing where it warns or gives up.
fn turbo(bytes: &[u8], width: usize, height: usize, channels: usize) -> Option<Vec<u8>> {
    let mut pixels = vec![0; width * height * channels];
    let format = if channels == 4 { tj::TJPF_TJPF_CMYK } else { tj::TJPF_TJPF_RGB };
    let (data, length) = (bytes.as_ptr(), bytes.len() as tj::size_t);
    // SAFETY: the handle is checked, used here alone and destroyed; the pointers are those of live buffers. The
    // library writes rows of the size that it reads in the header, which must be the one that the buffer was made for.
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as c_int);
        assert!(!handle.is_null());
        let get = |parameter: tj::TJPARAM| tj::tj3Get(handle, parameter as c_int) as usize;
        let done = tj::tj3DecompressHeader(handle, data, length) == 0
            && (get(tj::TJPARAM_TJPARAM_JPEGWIDTH), get(tj::TJPARAM_TJPARAM_JPEGHEIGHT)) == (width, height)
            && tj::tj3Decompress8(handle, data, length, pixels.as_mut_ptr(), (width * channels) as c_int, format) == 0;
        tj::tj3Destroy(handle);
        done.then_some(pixels)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_pixels: 1 << 14, max_memory: 16 << 20, max_scans: 20 };
    let Ok(header) = read_header(bytes, &limits) else { return };
    let (width, height, channels) = (header.width, header.height, header.channels());
    let mut ours = vec![0; width * height * channels];
    let output = Output { pixels: &mut ours, stride: width * channels };
    let options = Options { limits, ..Options::default() };
    if Decoder::new().decode(bytes, &header, &options, output).is_ok_and(|info| info.warnings == 0) {
        // A sampling that TurboJPEG's own interface does not know is refused by it, though not by libjpeg.
        if let Some(theirs) = turbo(bytes, width, height, channels) {
            assert!(ours == theirs, "other pixels than libjpeg-turbo's");
        }
    }
});

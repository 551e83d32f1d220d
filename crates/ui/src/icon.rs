//! Drawings of 24 by 24, each one path of strokes. Our own.

/// A microphone.
pub const MICROPHONE: &str =
    "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3";
/// A microphone, crossed out.
pub const MICROPHONE_OFF: &str = "M9 9.5V11a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.7-1.3M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3M18.5 11.5c0 1-.2 1.9-.6 2.7M12 18v3M4 4l16 16";
/// A camera.
pub const CAMERA: &str =
    "M5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2zM15 11l6-3.5v9L15 13";
/// A camera, crossed out.
pub const CAMERA_OFF: &str = "M9.5 6.5H13a2 2 0 0 1 2 2v3.3l6-4.3v9l-3-1.8M15 15.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2M3.5 3.5l17 17";
/// A screen with an arrow onto it.
pub const SHARE: &str = "M4 5h16v11H4zM9 20h6M12 13V8M9.5 10.2L12 7.7l2.5 2.5";
/// A screen, crossed out.
pub const SHARE_OFF: &str = "M8 5h12v11h-1M15 16H4V5M9 20h6M3.5 3.5l17 17";
/// The other side of the phone.
pub const FLIP: &str = "M4 9a8 8 0 0 1 14-3l2 2.5M20 4v4.5h-4.5M20 15a8 8 0 0 1-14 3l-2-2.5M4 20v-4.5h4.5";
/// Devices to choose from: three sliders.
pub const SETTINGS: &str = "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h7M15 17h5M15 5v4M9 10v4M13 15v4";
/// A receiver, laid down.
pub const HANG_UP: &str = "M3 14.5c0-4 4-6 9-6s9 2 9 6v1.2a1 1 0 0 1-1.2 1l-3.7-.8a1 1 0 0 1-.8-1v-2.2a12 12 0 0 0-6.6 0v2.2a1 1 0 0 1-.8 1l-3.7.8A1 1 0 0 1 3 15.7z";
/// It is over for all: a door out.
pub const END: &str = "M14 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h8M10 12h10M16.5 8l4 4-4 4";
/// A loudspeaker.
pub const SPEAKER: &str = "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11";
/// A person.
pub const PERSON: &str = "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20a7.5 7.5 0 0 1 15 0";
/// Something to look at.
pub const WARNING: &str = "M12 3.5l9.5 16.5h-19zM12 10v4.5M12 17.3v.2";
/// Something to know.
pub const INFORMATION: &str = "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v5.5M12 7.6v.2";

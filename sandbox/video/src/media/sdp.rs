//! What is read in the SDK's descriptions, and what is cut out of them.

use std::collections::BTreeMap;

/// The track id of each m-line on which the browser sends, by mid.
pub(crate) fn sending(sdp: &str) -> BTreeMap<String, String> {
    let sections = sdp.split("\r\nm=").skip(1);
    let sends = |section: &&str| section.contains("\r\na=sendrecv") || section.contains("\r\na=sendonly");
    let entry = |section: &str| {
        let value = |name: &str| section.lines().find_map(|line| line.strip_prefix(name));
        // `a=msid:<stream> <track>`
        Some((value("a=mid:")?.to_owned(), value("a=msid:")?.split(' ').nth(1)?.to_owned()))
    };
    sections.filter(sends).filter_map(entry).collect()
}

/// Leaves one layer of the SDK's simulcast (`preferredVideoCodecs: 'auto'`): without a channel of publisher hints it
/// sends only the first, and a request for a keyframe to another layer's SSRC would be lost.
pub(crate) fn one_layer(sdp: &str) -> String {
    let sections = sdp.split("\r\nm=").map(|section| {
        let layers = section.lines().find_map(|line| line.strip_prefix("a=ssrc-group:SIM "));
        let Some(layers) = layers else { return section.to_owned() };
        let mut surplus: Vec<&str> = layers.split(' ').skip(1).collect();
        // With each layer goes the stream of its retransmissions.
        for pair in section.lines().filter_map(|line| line.strip_prefix("a=ssrc-group:FID ")) {
            if let Some((layer, repair)) = pair.split_once(' ')
                && surplus.contains(&layer)
            {
                surplus.push(repair);
            }
        }
        let stays = |line: &&str| {
            let named = line.strip_prefix("a=ssrc:").or(line.strip_prefix("a=ssrc-group:FID "));
            let ssrc = named.and_then(|rest| rest.split(' ').next());
            !line.starts_with("a=ssrc-group:SIM ") && !ssrc.is_some_and(|ssrc| surplus.contains(&ssrc))
        };
        section.split("\r\n").filter(stays).collect::<Vec<_>>().join("\r\n")
    });
    sections.collect::<Vec<_>>().join("\r\nm=")
}

/// Width and height of a VP8 keyframe; nothing of any other frame.
/// Source: RFC 6386, 9.1: three bytes of tag, a start code, and two sizes of 14 bits each.
pub(crate) fn vp8_size(frame: &[u8]) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = *frame else { return None };
    let size = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    (tag & 1 == 0).then(|| (size(w0, w1), size(h0, h1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_known_by_the_line_on_which_it_is_sent() {
        let sdp = "v=0\r\na=msid-semantic: WMS *\r\nm=audio 9 UDP 111\r\na=mid:0\r\na=sendrecv\r\na=msid:- mic\r\n\
                   m=video 9 UDP 96\r\na=mid:1\r\na=recvonly\r\na=msid:- other\r\nm=video 9 UDP 96\r\na=mid:2\r\n\
                   a=sendonly\r\na=msid:- camera\r\n";
        let sending = sending(sdp);
        assert_eq!(sending.len(), 2);
        assert_eq!((sending["0"].as_str(), sending["2"].as_str()), ("mic", "camera"));
    }

    #[test]
    fn of_three_layers_the_first_stays() {
        let sdp = "v=0\r\nm=video 9 UDP 96\r\na=mid:1\r\na=ssrc-group:SIM 1 2 3\r\na=ssrc-group:FID 1 11\r\n\
                   a=ssrc-group:FID 2 12\r\na=ssrc-group:FID 3 13\r\na=ssrc:1 cname:c\r\na=ssrc:11 cname:c\r\n\
                   a=ssrc:2 cname:c\r\na=ssrc:12 cname:c\r\na=ssrc:3 cname:c\r\na=ssrc:13 cname:c\r\n";
        let cut = one_layer(sdp);
        assert_eq!(
            cut,
            "v=0\r\nm=video 9 UDP 96\r\na=mid:1\r\na=ssrc-group:FID 1 11\r\na=ssrc:1 cname:c\r\na=ssrc:11 cname:c\r\n"
        );
        assert_eq!(one_layer(&cut), cut);
    }

    #[test]
    fn a_keyframe_says_how_large_the_picture_is() {
        let mut frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0, 0];
        assert_eq!(vp8_size(&frame), Some((320, 180)));
        frame[0] |= 1;
        assert_eq!(vp8_size(&frame), None);
        assert_eq!(vp8_size(&frame[..5]), None);
    }
}
